"""Images of nilearn in and out of models and figures; nilearn's maskers are the oracle."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nilearn.maskers import NiftiMasker, SurfaceMasker
from nilearn.surface import SurfaceImage
from sklearn.base import clone

from b2m_encoding import EncodingModel, InputError, Runs, plot_flatmap, plot_preference, surface_space
from b2m_encoding.figures import score_map, surface
from b2m_encoding.figures.images import read_map
from b2m_encoding.spaces import VolumeSpace, grayordinate_space, load_atlas, resample, write_maps

SPACE = surface_space("fsaverage5")
RUNS = Runs.from_lengths([30, 25, 35], tr=1.5)


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((90, 3))
    Y = (X @ rng.standard_normal((3, 27)) + rng.standard_normal((90, 27))).astype(np.float32)
    return X, Y


def volumes(Y: np.ndarray) -> list[nib.Nifti1Image]:
    volume = np.zeros((5, 5, 5, len(Y)), dtype=np.float32)
    volume[1:4, 1:4, 1:4] = Y.T.reshape(3, 3, 3, -1)
    return [nib.Nifti1Image(volume[..., rows], np.eye(4)) for rows in RUNS.slices.values()]


@pytest.fixture(scope="module")
def nifti_masker() -> NiftiMasker:
    mask = np.zeros((5, 5, 5), dtype=np.uint8)
    mask[1:4, 1:4, 1:4] = 1
    return NiftiMasker(nib.Nifti1Image(mask, np.eye(4)), standardize=None, t_r=1.5)


@pytest.mark.filterwarnings("ignore:boolean values for 'standardize'")
@pytest.mark.parametrize("fitted", [False, True])
def test_volumes_in_and_out(data, nifti_masker, fitted) -> None:
    X, Y = data
    masker = clone(nifti_masker).fit() if fitted else nifti_masker
    images = volumes(Y)
    model = EncodingModel((0.0, 1.5), masker=masker).fit(X, images)
    Y = nifti_masker.fit().transform(nib.concat_images(images, axis=3))
    plain = EncodingModel((0.0, 1.5)).fit(X, Y, runs=RUNS)
    np.testing.assert_array_equal(model.runs_.run, RUNS.run)
    np.testing.assert_allclose(model.cv_scores_, plain.cv_scores_)
    predicted = model.predict_image(X, RUNS)
    assert predicted.shape == (5, 5, 5, 90)
    np.testing.assert_allclose(
        predicted.get_fdata()[1:4, 1:4, 1:4].reshape(27, 90).T, plain.predict(X, RUNS), atol=1e-5
    )
    expected = plain.score_targets(X, Y, RUNS)
    np.testing.assert_allclose(model.score_image(X, images).get_fdata()[1:4, 1:4, 1:4].ravel(), expected, atol=1e-5)
    np.testing.assert_allclose(model.score_image_.get_fdata()[2, 2, 2], plain.cv_scores_[13], atol=1e-6)
    assert model.score(X, images, RUNS) == pytest.approx(expected.mean(), abs=1e-5)
    assert clone(model).masker is not masker or fitted


def test_surfaces_in_and_out(data) -> None:
    X, Y = data
    whole = np.zeros((90, SPACE.n_targets), dtype=np.float32)
    whole[:, :27] = Y
    image = SPACE.to_surface_image(whole)
    model = EncodingModel(None, masker=SurfaceMasker(standardize=None)).fit(X, image, runs=RUNS)
    plain = EncodingModel(None).fit(X, whole, runs=RUNS)
    np.testing.assert_allclose(SPACE.from_surface_image(model.predict_image(X)), plain.predict(X), atol=1e-5)
    scores = model.score_image_
    assert isinstance(scores, SurfaceImage)
    np.testing.assert_allclose(SPACE.from_surface_image(scores)[0], plain.cv_scores_, rtol=1e-6)
    figure = plot_flatmap(scores, label="R²")
    np.testing.assert_allclose(figure.table["score"], plain.cv_scores_, rtol=1e-6)


def test_images_without_a_masker_are_an_error(data) -> None:
    X, Y = data
    with pytest.raises(InputError, match="images need a masker"):
        EncodingModel(None).fit(X, volumes(Y))
    with pytest.raises(InputError, match="not fitted to images"):
        EncodingModel(None).fit(X, Y, runs=RUNS).predict_image(X)


SCORES = np.linspace(0.1, 0.6, SPACE.n_targets, dtype=np.float32)


def gifti_pair(folder: Path) -> str:
    return str(write_maps(SPACE, folder / "hemi-{hemi}_r.func.gii", SCORES)[0]).replace("hemi-L", "hemi-{hemi}")


@pytest.mark.parametrize(
    "held",
    [
        lambda _: SCORES,
        lambda _: SCORES[:, None],
        lambda _: SCORES[None],
        lambda _: SCORES.tolist(),
        lambda _: SPACE.to_surface_image(SCORES),
        lambda _: SPACE.to_surface_image(SCORES[None]),
        lambda _: SPACE.to_images(SCORES),
        lambda _: [SCORES[:10242], SCORES[10242:]],
        lambda _: {"left": SCORES[:10242], "right": SCORES[10242:]},
        gifti_pair,
        lambda folder: tuple(gifti_pair(folder).replace("{hemi}", hemi) for hemi in "LR"),
    ],
)
def test_a_map_in_any_form(held, tmp_path: Path) -> None:
    values, space = read_map(held(tmp_path))
    assert space == SPACE
    np.testing.assert_allclose(values, SCORES, rtol=1e-6)


def test_volumes_and_grayordinates_are_drawn_on_the_cortex(tmp_path: Path) -> None:
    """The same numbers as ``resample`` gives; from files, images, and masks in the space of the map."""
    cifti = grayordinate_space()
    values = np.linspace(0, 1, cifti.n_targets, dtype=np.float32)
    [path] = write_maps(cifti, tmp_path / "r.dscalar.nii", values)
    significant = values > 0.3
    figure = plot_flatmap(path, significant=significant)
    expected = resample(values, cifti, cifti.surface)[0]
    np.testing.assert_array_equal(figure.table["score"], expected)
    drawn = figure.table["significant"].to_numpy()
    np.testing.assert_array_equal(drawn, np.nan_to_num(resample(significant, cifti, cifti.surface)[0]) > 0.5)

    grid = np.zeros((30, 36, 30), dtype=np.float32)
    grid[3:-3, 3:-3, 3:-3] = np.linspace(0.1, 1, 24)[:, None, None]
    affine = np.diag([6.0, 6, 6, 1])
    affine[:3, 3] = -90, -126, -72
    image = nib.Nifti1Image(grid, affine)
    read, space = read_map(image)
    assert isinstance(space, VolumeSpace)
    assert len(read) == (grid != 0).sum()
    nib.save(image, tmp_path / "r.nii.gz")
    both = plot_preference(image, tmp_path / "r.nii.gz", names=("image", "file"))
    np.testing.assert_array_equal(both.table["score_image"], both.table["score_file"])
    np.testing.assert_array_equal(both.table["score_image"], resample(read, space, "fsaverage5")[0])


def test_names_of_spaces_and_no_atlas() -> None:
    by_name = score_map(SCORES, "fsaverage5", "hcp-mmp1", view="zoom")
    by_size = score_map(SCORES, view="zoom")
    as_before = score_map(SCORES, SPACE, load_atlas("hcp-mmp1", SPACE), view="zoom")
    for figure in (by_name, by_size):
        assert figure.caption == as_before.caption
        assert figure.table.equals(as_before.table)
    assert surface(SCORES).table.equals(surface(SCORES, SPACE, load_atlas("hcp-mmp1", "fsaverage5")).table)
    with pytest.raises(InputError, match=r"no standard space has so many targets[\s\S]*20484 \(fsaverage5\)"):
        plot_flatmap(np.zeros(7))
    with pytest.raises(InputError, match="not a map of fsaverage6"):
        plot_flatmap(SCORES, "fsaverage6")
    with pytest.raises(InputError, match="one map is drawn at a time"):
        plot_flatmap(np.zeros((2, SPACE.n_targets)))
    with pytest.raises(InputError, match="a volume needs a mask"):
        plot_flatmap(SCORES, "MNI152NLin2009cAsym")


def test_signed_maps_do_not_fade() -> None:
    signed = plot_flatmap(SCORES - 0.3)
    assert "Colour limits -0.2 to 0.3" in signed.caption
    assert "Colour limits 0 to 0.6" in plot_flatmap(SCORES).caption
