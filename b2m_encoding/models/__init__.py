"""Models: sufficient statistics, ridge and banded ridge, encoding models.

How a fit runs, in order (the ``fit`` of step 4 is that of ``solver/fitting.py``, with all of steps 4 to 7):

1. ``EncodingModel.fit`` calls ``Design.learn``: ``as_feature_spaces`` checks the features, ``Layout.learn`` finds those
   that are constant, ``Layout.design`` delays them within runs (``delay``) and puts them side by side.
2. ``Settings.of`` reads the parameters of the estimator and checks them.
3. ``gather_inputs`` picks the form (``pick_form``): in the Gram form, for narrow designs, it adds every block to the
   statistics, with ``SufficientStatistics.update`` and ``Moments.from_samples``; in the others it keeps ``Samples``.
4. ``fit`` determines the status of the targets (``target_status``), and ``make_problem`` makes the ridge problem.
5. ``search_ridge``, or ``search_banded`` for every scaling, chooses penalties by ``RidgeProblem.cv_scores``. From
   statistics, each fold is factorised and scores all penalties at once (``fold_scorer``, ``compress``); from samples,
   one ``Basis`` of all of them serves all folds (``JoinedFolds``). ``GramScores`` and ``JoinedScores`` leave out
   penalties that cannot win (``Estimates``). ``choose`` selects the best.
6. ``RidgeProblem.solve`` or ``solve_banded`` solves with all samples; ``solution_error`` checks the solution.
7. Several feature spaces are stacked: ``fit_sets`` does steps 5 and 6 for every member (``fit_members``), computes
   their ``held_out_products`` and weighs them (``Products.weights``, ``stack``).
8. ``EncodingModel.store_fit`` stores the ``FitResult`` as ``coef_``, ``best_alphas_`` and so on.

``EncodingModel.fit_known``, of ``Ridge``, solves in step 6 with given penalties. What a fitted model predicts is in
``fitted.py``; images become responses in ``masked.py``. ``fit_responses`` reads run by run in step 3 and fits slices of
targets where memory is short (``fit_runs``); ``fit_subsets`` gathers once and repeats steps 4 to 8 for every set of
feature spaces.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
