"""Mesh files: names, formats, groups of Gmsh, damage, and what claims too much."""

import re
import warnings

import h5py
import meshio
import numpy as np
import pytest
import skfem

from eulerian_mfc import SimplexMesh
from eulerian_mfc.errors import ArgumentError, FileFormatError, MeshFileWarning, StorageError
from eulerian_mfc.meshes.files import FORMATS
from eulerian_mfc.meshes.memory import FLOOR, allowance

from .simplices import box

NAMES = ["in & out", "a<b>", 'q"uote', "two words", "wall ∂Ω", "50%", "%41", "a:b", "", "it's", "back\\slash", "plain"]
#: endings of formats that hold the mesh without its names, in at least one dimension
NAMELESS = [".avs", ".inp", ".mesh", ".meshb", ".off", ".ply", ".vol", ".vol.gz", ".su2", ".post"]
#: all that meshio writes, and some that it does not
ENDINGS = sorted({*meshio.extension_to_filetypes, ".odd", ".VTU", ".Msh", ""})


def named(dim, names, cells=3):
    """A box, with the names on its two sides in turn."""
    sides = {name: (lambda x, side=2 * (k % 2) - 1: np.isclose(x[0], side)) for k, name in enumerate(names)}
    return SimplexMesh(box(dim, cells).skfem.with_boundaries(sides))


def assert_same(mesh, other, names=True):
    np.testing.assert_array_equal(other.cells, mesh.cells)
    np.testing.assert_allclose(other.points, mesh.points, rtol=0, atol=2e-12)
    if names:
        assert facets(other) == facets(mesh)


def facets(mesh):
    return {name: sorted(np.asarray(mine).tolist()) for name, mine in (mesh.skfem.boundaries or {}).items()}


@pytest.mark.parametrize("ending", [*FORMATS, ".VTU", ".Msh", ".dat"])
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_any_name_comes_back_from_the_formats_that_hold_names(dim, ending, tmp_path):
    mesh = named(dim, NAMES)
    mesh.write(tmp_path / f"mesh{ending}")
    assert_same(mesh, SimplexMesh.read(tmp_path / f"mesh{ending}"))
    assert [file.name for file in tmp_path.iterdir()] == [f"mesh{ending}"]


def test_other_programs_read_what_is_written(tmp_path):
    """The XML is well-formed, and VTK's own reader has all points and cells."""
    import pyvista

    mesh = named(2, NAMES)
    for ending in (".vtu", ".vtk"):
        mesh.write(tmp_path / f"mesh{ending}")
        grid = pyvista.read(tmp_path / f"mesh{ending}")
        np.testing.assert_allclose(grid.points[:, :2], mesh.points, atol=1e-15)
        assert grid.n_cells == mesh.size


def test_files_of_earlier_versions_keep_their_names(tmp_path):
    """Names stood in the file as they are."""
    mesh = named(2, ["left side", "50%", "plain"])
    skfem.io.meshio.to_file(mesh.skfem, tmp_path / "old.vtu")
    assert_same(mesh, SimplexMesh.read(tmp_path / "old.vtu"))


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_format_gives_the_same_mesh_or_is_refused_before_the_old_file_is_touched(ending, tmp_path, capfd):
    for dim in (1, 2, 3):
        mesh, path = named(dim, ["left"], 2), tmp_path / f"mesh{dim}{ending}"
        path.write_text("the old file")
        refusal = None
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                mesh.write(path)
            except ArgumentError as error:
                refusal = str(error)
        if refusal:
            assert re.search(r"path: got .*, expected .*\.vtu, \.msh, \.vtk, \.xdmf, \.med", refusal), refusal
            assert path.read_text() == "the old file"
        else:
            assert [warning.category for warning in told] in ([], [MeshFileWarning])
            assert_same(mesh, SimplexMesh.read(path), names=not told)
        if told:
            assert "the file does not hold the names 'left'" in str(told[0].message)
        if ending.lower() in FORMATS:
            assert not refusal
            assert not told
    assert len(list(tmp_path.iterdir())) == 3
    assert capfd.readouterr() == ("", "")


def test_formats_without_names_are_told_where_there_are_names(tmp_path):
    for ending in NAMELESS:
        dim = 3 if ending in (".su2",) else 2
        with pytest.warns(MeshFileWarning, match=r"the file does not hold the names 'in & out', .* write one of \.vtu"):
            named(dim, ["in & out"], 2).write(tmp_path / f"mesh{ending}")
        box(dim, 2).write(tmp_path / f"mesh{ending}")


def test_coordinates_that_need_more_digits_than_the_format_has_are_refused(tmp_path):
    mesh = box(2, 3)  # its inner vertices are random numbers
    (tmp_path / "mesh.bdf").write_text("the old file")
    with pytest.raises(ArgumentError, match=r"mesh\.bdf, whose format cannot hold this mesh .*, expected one of \.vtu"):
        mesh.write(tmp_path / "mesh.bdf")
    assert (tmp_path / "mesh.bdf").read_text() == "the old file"


def test_a_write_that_fails_half_way_leaves_the_old_file(tmp_path, monkeypatch):
    mesh, path = box(2, 2), tmp_path / "mesh.vtu"
    mesh.write(path)
    good = path.read_bytes()

    for error, kind in ((OSError(28, "No space left on device"), StorageError), (TypeError("odd"), ArgumentError)):

        def fail_half_way(name, *_, error=error, **__):
            with open(name, "wb") as file:
                file.write(b"<VTKFile")
            raise error

        monkeypatch.setattr(meshio, "write", fail_half_way)
        with pytest.raises(kind):
            box(2, 3).write(path)
        assert path.read_bytes() == good
        assert [file.name for file in tmp_path.iterdir()] == ["mesh.vtu"]


CORNERS = ["0 0 0", "1 0 0", "1 1 0", "0 1 0", "0.5 0.5 0", "0.25 0.25 0"]  # the last is no cell's
CURVES = [(1, 2), (2, 3), (3, 4), (4, 1), (1, 5)]  # bottom, right, top, left, and one inside
TRIANGLES = [(1, 2, 5), (2, 3, 5), (3, 4, 5), (4, 1, 5)]
CENTRES = {1: (0.5, 0), 2: (1, 0.5), 3: (0.5, 1), 4: (0, 0.5), 5: (0.25, 0.25)}


def names_section(names):
    lines = [f'{dim} {tag} "{name}"' for (dim, tag), name in names.items()]
    return ["$PhysicalNames", str(len(lines)), *lines, "$EndPhysicalNames"] if names else []


def msh2(curves, names, surface=(9,), corners=CORNERS):
    """A square in MSH 2.2: an element stands in the file once for each of its groups."""
    rows = [f"1 2 {tag} {k + 1} {a} {b}" for k, (a, b) in enumerate(CURVES) for tag in curves.get(k + 1, ())]
    rows += [f"2 2 {tag} 1 {a} {b} {c}" for tag in surface for a, b, c in TRIANGLES]
    nodes = [f"{k + 1} {row}" for k, row in enumerate(corners)]
    lines = ["$MeshFormat", "2.2 0 8", "$EndMeshFormat", *names_section(names)]
    lines += ["$Nodes", str(len(nodes)), *nodes, "$EndNodes"]
    lines += ["$Elements", str(len(rows)), *(f"{k + 1} {row}" for k, row in enumerate(rows)), "$EndElements"]
    return "\n".join(lines) + "\n"


def msh4(curves, names, surface=(9,), corners=CORNERS):
    """The same in MSH 4.1: groups belong to entities; all elements are in the file."""
    entities = ["0 5 1 0"]
    for k in range(1, 6):
        tags = curves.get(k, ())
        entities.append(f"{k} 0 0 0 1 1 0 {len(tags)} {' '.join(map(str, tags))} 0")
    entities.append(f"1 0 0 0 1 1 0 {len(surface)} {' '.join(map(str, surface))} 4 1 2 3 4")
    count = len(corners)
    lines = ["$MeshFormat", "4.1 0 8", "$EndMeshFormat", *names_section(names), "$Entities", *entities, "$EndEntities"]
    lines += [
        "$Nodes",
        f"1 {count} 1 {count}",
        f"2 1 0 {count}",
        *(str(k + 1) for k in range(count)),
        *corners,
        "$EndNodes",
    ]
    lines += ["$Elements", "6 9 1 9"]
    for k, (a, b) in enumerate(CURVES):
        lines += [f"1 {k + 1} 1 1", f"{k + 1} {a} {b}"]
    lines += ["2 1 2 4", *(f"{k + 6} {a} {b} {c}" for k, (a, b, c) in enumerate(TRIANGLES)), "$EndElements"]
    return "\n".join(lines) + "\n"


def curves_of(mesh):
    """The curves of every name, told by the centres of its facets."""
    out = {}
    for name, mine in (mesh.skfem.boundaries or {}).items():
        centres = mesh.skfem.p[:, mesh.skfem.facets[:, mine]].mean(axis=1).T
        out[name] = {k for k, centre in CENTRES.items() if np.isclose(centres, centre).all(axis=1).any()}
        assert len(out[name]) == len(mine)
    return out


BOUNDARY = {1: (1,), 2: (1, 2), 3: (1,), 4: (1,), 5: (3,)}
WANTED = {
    "names": (BOUNDARY, {(1, 1): "all", (1, 2): 'in & "out"', (1, 3): "ütf"}, ["all", 'in & "out"', "ütf"]),
    "no names": (BOUNDARY, {}, ["physical_1", "physical_2", "physical_3"]),
    "some names": (BOUNDARY, {(1, 2): "inlet"}, ["physical_1", "inlet", "physical_3"]),
    "names of surfaces too": (
        BOUNDARY,
        {(1, 1): "domain", (2, 9): "domain", (2, 1): "other"},
        ["domain", "physical_2", "physical_3"],
    ),
}


@pytest.mark.parametrize("version", [msh2, msh4])
@pytest.mark.parametrize("case", WANTED)
def test_all_groups_of_gmsh_come_with_all_their_facets(case, version, tmp_path, capfd, caplog):
    """Groups that overlap, that have no names, that share a name with a surface; inside the domain too. Nothing is printed."""
    curves, names, (first, second, third) = WANTED[case]
    (tmp_path / "mesh.msh").write_text(version(curves, names), encoding="utf-8")
    mesh = SimplexMesh.read(tmp_path / "mesh.msh")
    assert curves_of(mesh) == {first: {1, 2, 3, 4}, second: {2}, third: {5}}
    assert len(mesh.points) == 5  # the point that no cell uses is gone
    assert mesh.size == 4
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


@pytest.mark.parametrize("version", [msh2, msh4])
def test_surfaces_in_several_groups_are_one_mesh(version, tmp_path):
    """MSH 2.2 has such cells twice."""
    text = version(BOUNDARY, {(2, 9): "all of it", (2, 8): "left"}, surface=(9, 8))
    (tmp_path / "mesh.msh").write_text(text)
    mesh = SimplexMesh.read(tmp_path / "mesh.msh")
    assert mesh.size == 4
    assert {name: sorted(cells.tolist()) for name, cells in mesh.skfem.subdomains.items()} == {
        "all of it": [0, 1, 2, 3],
        "left": [0, 1, 2, 3],
    }


def test_files_in_which_only_some_curves_are_in_groups_are_read(tmp_path):
    """As Gmsh writes them with Mesh.SaveAll; and a name whose group is not in the file is told."""
    (tmp_path / "mesh.msh").write_text(msh4({2: (2,)}, {(1, 2): "right"}, surface=()))
    assert curves_of(SimplexMesh.read(tmp_path / "mesh.msh")) == {"right": {2}}
    (tmp_path / "mesh.msh").write_text(msh2({2: (0,)}, {(1, 2): "right"}, surface=(0,)))
    with pytest.warns(MeshFileWarning, match=r"mesh\.msh: the group 'right' has no members in the file"):
        assert curves_of(SimplexMesh.read(tmp_path / "mesh.msh")) == {}


def test_facets_of_no_cell_are_told(tmp_path):
    text = msh4(BOUNDARY, {(1, 1): "all"}).replace("\n5 1 5\n", "\n5 2 4\n")
    (tmp_path / "mesh.msh").write_text(text)
    with pytest.warns(
        MeshFileWarning, match="1 of 1 facets of the group 'physical_3' belong to no triangle and are left out"
    ):
        mesh = SimplexMesh.read(tmp_path / "mesh.msh")
    assert curves_of(mesh)["all"] == {1, 2, 3, 4}


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_planes_are_judged_by_the_size_of_the_mesh(size, tmp_path):
    """Round-off of a turned disc is no height; a thousandth of a millionth is."""
    for height, flat in ((6.4e-15, True), (1e-9, False)):
        corners = [" ".join(repr(size * float(x)) for x in row.split()[:2]) + " 0" for row in CORNERS]
        corners[2] = corners[2][:-1] + repr(size * height)
        (tmp_path / "mesh.msh").write_text(msh4(BOUNDARY, {}, corners=corners))
        if flat:
            assert SimplexMesh.read(tmp_path / "mesh.msh").dim == 2
        else:
            with pytest.raises(
                FileFormatError, match=r"do not lie in a plane .* expected a mesh of dimension 2: rotate the mesh"
            ):
                SimplexMesh.read(tmp_path / "mesh.msh")


def test_names_and_numbers_of_other_formats(tmp_path, capfd):
    """Medit and Nastran number their groups, SU2 names them (which meshio drops), MED lists the names of each family."""
    points = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.5, 0.5]])
    lines, cells = np.array(CURVES[:4]) - 1, np.array(TRIANGLES) - 1
    refs = [np.array([4, 4, 0, 7]), np.array([1, 1, 1, 1])]
    blocks = [("line", lines), ("triangle", cells)]
    meshio.Mesh(points, blocks, cell_data={"medit:ref": refs}).write(tmp_path / "mesh.mesh")
    assert curves_of(SimplexMesh.read(tmp_path / "mesh.mesh")) == {"ref_4": {1, 2}, "ref_7": {4}}
    (tmp_path / "mesh.su2").write_text(
        "NDIME= 2\nNELEM= 4\n5 0 1 4 0\n5 1 2 4 1\n5 2 3 4 2\n5 3 0 4 3\nNPOIN= 5\n0 0 0\n1 0 1\n1 1 2\n0 1 3\n0.5 0.5 4\n"
        "NMARK= 2\nMARKER_TAG= lower wall\nMARKER_ELEMS= 2\n3 0 1\n3 1 2\nMARKER_TAG= 5\nMARKER_ELEMS= 1\n3 3 0\n"
    )
    assert curves_of(SimplexMesh.read(tmp_path / "mesh.su2")) == {"lower wall": {1, 2}, "tag_5": {4}}
    mesh = meshio.Mesh(points, blocks, cell_data={"cell_tags": [np.array([-1, -2, -1, 0]), np.zeros(4, int)]})
    mesh.cell_tags = {-1: ["all"], -2: ["all", "right"]}
    mesh.write(tmp_path / "mesh.med")
    assert curves_of(SimplexMesh.read(tmp_path / "mesh.med")) == {"all": {1, 2, 3}, "right": {2}}
    assert capfd.readouterr() == ("", "")


def test_remarks_of_meshio_come_as_warnings_with_the_path(tmp_path, capfd):
    text = msh2(BOUNDARY, {}).replace("$EndElements\n", "")
    (tmp_path / "mesh.msh").write_text(text)
    with pytest.warns(
        MeshFileWarning, match=r"mesh\.msh: meshio says: Warning: \$Elements not closed by \$EndElements"
    ) as told:
        SimplexMesh.read(tmp_path / "mesh.msh")
    assert {w.filename for w in told} == {__file__}  # the user's line, not the package's
    assert capfd.readouterr() == ("", "")


CLAIMS = {
    "node numbers.msh": "$MeshFormat\n2.2 0 8\n$EndMeshFormat\n$Nodes\n3\n1 0 0 0\n2 1 0 0\n2000000000 0 1 0\n$EndNodes\n"
    "$Elements\n1\n1 2 2 0 1 1 2 2000000000\n$EndElements\n",
    "node count.msh": "$MeshFormat\n4.1 0 8\n$EndMeshFormat\n$Nodes\n1 300000000000 1 3\n2 1 0 3\n1\n2\n3\n0 0 0\n1 0 0\n0 1 0\n"
    "$EndNodes\n$Elements\n1 1 1 1\n2 1 2 1\n1 1 2 3\n$EndElements\n",
    "grid.vtk": "# vtk DataFile Version 3.0\nx\nASCII\nDATASET STRUCTURED_POINTS\nDIMENSIONS 2000 2000 2000\nORIGIN 0 0 0\n"
    "SPACING 1 1 1\n",
    "vertices.ply": "ply\nformat binary_little_endian 1.0\nelement vertex 100000000000\nproperty double x\nproperty double y\n"
    "property double z\nelement face 1\nproperty list uchar int vertex_indices\nend_header\n",
    "arrays.xdmf": '<Xdmf Version="3.0"><Domain><Grid Name="G"><Geometry GeometryType="XY"><DataItem DataType="Float" '
    'Dimensions="10000000000 2" Format="HDF" Precision="8">arrays.h5:/p</DataItem></Geometry></Grid></Domain></Xdmf>',
}


@pytest.mark.skipif(not hasattr(__import__("os"), "sched_getaffinity"), reason="the bound is of Linux")
@pytest.mark.parametrize("name", CLAIMS)
def test_a_small_file_takes_little_memory(name, tmp_path):
    """Each of these claims, or leads meshio to make, arrays of 16 to 2400 GB."""
    import resource

    with h5py.File(tmp_path / "arrays.h5", "w") as file:
        file.create_dataset("p", shape=(10**10, 2), dtype="f8", chunks=(10**6, 2), fillvalue=1.0)
    (tmp_path / name).write_text(CLAIMS[name])
    before, limits = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(
        FileFormatError, match=rf"{name}: reading this file would take more than 1\.0 GiB, far more than its size"
    ):
        SimplexMesh.read(tmp_path / name)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < 1.2 * FLOOR
    assert resource.getrlimit(resource.RLIMIT_AS) == limits


def test_what_a_file_may_take_grows_with_the_files_that_hold_its_arrays(tmp_path):
    (tmp_path / "a.xdmf").write_text("<DataItem>big file.h5:/p</DataItem><DataItem>other.bin</DataItem>")
    alone = allowance(tmp_path / "a.xdmf")
    for name in ("other.bin", "a.h5"):
        (tmp_path / name).write_bytes(b"x" * 10**6)
    assert allowance(tmp_path / "a.xdmf") - alone >= 2 * 10**7


@pytest.mark.parametrize(
    "ending", [".vtu", ".msh", ".vtk", ".xdmf", ".med", ".inp", ".mesh", ".meshb", ".dat", ".off", ".mdpa", ".ply"]
)
def test_truncated_and_damaged_files_are_refused(ending, tmp_path):
    """Cut anywhere, or with bytes changed: a FileFormatError that names the file, or a mesh; nothing else, and no wait."""
    path, rng = tmp_path / f"mesh{ending}", np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MeshFileWarning)
        named(2, ["left"], 2).write(path)
        good = path.read_bytes()
        refused = read = 0
        for k in range(24):
            data = bytearray(good)
            if k % 2:
                for place in rng.integers(len(data), size=5):
                    data[place] = rng.integers(256)
            path.write_bytes(bytes(data[: rng.integers(len(data))] if k % 2 == 0 else data))
            try:
                SimplexMesh.read(path)
            except FileFormatError as error:
                refused += str(path) in str(error)
            else:
                read += 1
    assert refused + read == 24
    assert refused >= 12


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ansys.msh", "(2 2)\n(10 (1 1 3 1 2)\n"),
        ("nastran.bdf", "BEGIN BULK\n"),
        ("tecplot.dat", 'VARIABLES = "X" "Y"\nZONE T="a", N=3, E=1, F=FEPOINT, ET=TRIANGLE\n0.0 0.0\n1.0 0.0\n'),
        ("tetgen.node", "# nothing\n"),
        ("ply.ply", "ply\nformat ascii 1.0\n"),
        ("off.off", "OFF\n"),
        ("mdpa.mdpa", "Begin Nodes\n"),
    ],
)
def test_readers_of_meshio_that_wait_for_ever_are_ended(name, text, tmp_path):
    """Each of these is cut off where meshio's reader asks for one line more, again and again."""
    (tmp_path / name).write_text(text)
    (tmp_path / "tetgen.ele").write_text("1 4 0\n1 1 2 3 4\n")
    with pytest.raises(
        FileFormatError, match=rf"{name}: meshio cannot read the file \(EOFError: .*\); the package reads the formats"
    ):
        SimplexMesh.read(tmp_path / name)


def test_files_that_may_not_be_read_are_not_called_damaged(tmp_path, monkeypatch):
    box(2, 2).write(tmp_path / "mesh.vtu")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(tmp_path), "open", refuse)
    with pytest.raises(StorageError, match=r"cannot read .*mesh\.vtu: Permission denied"):
        SimplexMesh.read(tmp_path / "mesh.vtu")


def test_cells_that_are_no_mesh_are_told_with_the_path(tmp_path):
    (tmp_path / "mesh.msh").write_text(msh4(BOUNDARY, {}).replace("\n6 1 2 5\n", "\n6 1 2 2\n"))
    with pytest.raises(FileFormatError, match=r"mesh\.msh: mesh: got cell 0, which has no volume"):
        SimplexMesh.read(tmp_path / "mesh.msh")
