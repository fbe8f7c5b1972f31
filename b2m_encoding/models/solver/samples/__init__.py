"""Ridge from samples: one eigenproblem of all of them serves every fold, penalty, target and subject."""
