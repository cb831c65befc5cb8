"""Studies on simplex meshes: `python docs/simplices.py [NAME...]` writes tables and pictures."""

import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np

import eulerian_mfc as emfc
from eulerian_mfc.flow import Flow, Layer
from eulerian_mfc.run.case import Case

DOCS = Path(__file__).parent
REFERENCE = json.loads((DOCS.parent / "tests" / "reference.json").read_text())


def box(dim, cells, half=4.0, shake=0.15):
    """[-half, half]^dim in simplices, inner vertices moved at random by up to `shake` of the width.

    So that edges do not line up with the problem's symmetry: feet would then lie on facets, where the cost has kinks.
    """
    import skfem

    line = np.linspace(-half, half, cells + 1)
    mesh = skfem.MeshLine(line) if dim == 1 else {2: skfem.MeshTri, 3: skfem.MeshTet}[dim].init_tensor(*[line] * dim)
    points = mesh.p.copy()
    inner = (np.abs(points) < half - 1e-9).all(axis=0)
    points[:, inner] += np.random.default_rng(0).uniform(-shake, shake, (dim, inner.sum())) * 2 * half / cells
    return emfc.SimplexMesh(type(mesh)(points, mesh.t))


def bimodal(dim):
    ones = np.ones(dim)
    return emfc.Problem(
        field=emfc.fields.NeuralField(dim, activation="tanh", bias=True),
        law=emfc.laws.Labelled(emfc.laws.GaussianMixture([-ones, ones], 0.2), [-2 * ones, 2 * ones]),
        loss=emfc.losses.SquaredLoss(),
        penalty=0.2,
        horizon=1.0,
    )


def order(sizes, errors):
    return -np.polyfit(np.log(sizes), np.log(np.abs(errors)), 1)[0]


MESHES = {1: (32, 64, 128), 2: (24, 32, 48, 64), 3: (24, 32, 44)}


def order_table():
    """Optimal costs and controls of `bimodal_2d_0.2` against the reference, by element."""
    reference = REFERENCE["bimodal_2d_0.2"]
    rows = ["| element | cells an axis | nodes of the finest | errors in J | order | errors in theta (max) | order |"]
    rows += ["|---" * 7 + "|"]
    for degree, meshes in MESHES.items():
        costs, controls = [], []
        for n in meshes:
            solution = emfc.solve(bimodal(2), box(2, n), layers=20, transport=emfc.transport.Elements(degree))
            costs.append(abs(solution.cost - reference["cost"]))
            controls.append(np.abs(solution.control - reference["control"]).max())
        rows.append(
            f"| P{degree} | {' / '.join(map(str, meshes))} | {solution.unknowns.size} "
            f"| {' / '.join(f'{e:.1e}' for e in costs)} | {order(meshes, costs):.2f} "
            f"| {' / '.join(f'{e:.1e}' for e in controls)} | {order(meshes, controls):.2f} |"
        )
    solution = emfc.solve(bimodal(2), box(2, 99), layers=20)
    rows += [
        "",
        f"P2 with {solution.unknowns.size} nodes: error {abs(solution.cost - reference['cost']):.1e} in J, "
        f"{np.abs(solution.control - reference['control']).max():.1e} in theta.",
    ]
    return "\n".join(rows) + "\n"


def three_table():
    """Three dimensions: tetrahedra, uniform and refined, against boxes and against no mesh at all."""
    problem, layers, coarse = bimodal(3), 10, emfc.solvers.LBFGS(tol=3e-3, max_iterations=25)
    rows = [
        "| mesh | unknowns | optimal cost | largest difference of the control from that on 40^3 boxes "
        "| mass that met walls | seconds |"
    ]
    rows += ["|---" * 6 + "|"]
    boxes = None
    for name in ("40^3 boxes, quintic splines", "tetrahedra, P2, uniform", "tetrahedra, P2, refined"):
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", emfc.errors.BoundaryMassWarning)  # of the coarse first meshes
            if "boxes" in name:
                solution = emfc.solve(
                    problem, emfc.CartesianMesh([(-4.0, 4.0)] * 3, 40), layers, solver=emfc.solvers.LBFGS(tol=1e-6)
                )
                boxes = solution
            elif "uniform" in name:
                solution = emfc.solve(problem, box(3, 20, 3.2), layers, solver=coarse)
            else:
                solution = emfc.solve(
                    problem, box(3, 6, 3.2), layers, solver=coarse,
                    adapt=emfc.meshes.Refine(5e-3, max_cells=60_000),
                )  # fmt: skip
        gap = np.abs(solution.control - boxes.control).max()
        rows.append(
            f"| {name} | {solution.unknowns.size} | {solution.cost:.5f} | {gap:.1e} "
            f"| {solution.checks.mass_crossed:.1e} | {time.perf_counter() - start:.0f} |"
        )
    particles = emfc.ParticleSystem(problem, layers, samples=200_000, seed=0).cost(boxes.control).total
    rows += ["", f"200,000 random particles at the boxes' control: {particles:.5f}."]
    return "\n".join(rows) + "\n"


def turn(t, theta, x):
    return theta[0] * np.stack([-x[:, 1], x[:, 0]], axis=1)


def averages(mesh, centre, width):
    """Masses of the cells of a Gaussian bump, by scikit-fem's quadrature of degree 8."""
    from skfem.quadrature import get_quadrature

    places, weights = get_quadrature(mesh.skfem.refdom, 8)
    corners = np.concatenate([1 - places.sum(axis=0, keepdims=True), places]).T
    points = np.einsum("qi,cik->cqk", corners, mesh.points[mesh.cells])
    values = np.exp(-((points - centre) ** 2).sum(axis=2) / (2 * width**2))
    return (values * weights / weights.sum()).sum(axis=1) * mesh.volumes


def volumes_table():
    """A quarter turn of a bump of width 0.2 in [-1, 1]^2: L1 errors, extrema, mass."""
    rows = [
        "| scheme | cells an axis | L1 errors, relative | order of the last two | new extrema | change of mass + outflow |"
    ]
    rows += ["|---" * 6 + "|"]
    field = emfc.fields.CustomField(turn, 2, 1, autonomous=True)
    volumes = emfc.continuity.SimplexFiniteVolume
    for scheme in (volumes("upwind"), *(volumes("muscl", k) for k in ("none", "barth_jespersen", "venkatakrishnan"))):
        errors, extrema, mass = [], 0.0, 0.0
        cells = (48, 96, 192) if scheme.order == 1 else (24, 48, 96)
        for n in cells:
            mesh = box(2, n, 1.0)
            operator = scheme.on(mesh, Flow(field, emfc.LayerMap()))
            initial = averages(mesh, [0.3, 0.0], 0.2)
            masses, left = initial[None], 0.0
            for k in range(3):
                masses, out = operator.step(Layer(k / 3, np.pi / 6, np.ones(1)), masses)
                left += out.sum()
            exact = averages(mesh, [0.0, 0.3], 0.2)
            errors.append(np.abs(masses[0] - exact).sum() / exact.sum())
            now, first = masses[0] / mesh.volumes, initial / mesh.volumes
            extrema = max(extrema, now.max() - first.max(), first.min() - now.min())
            mass = max(mass, abs(masses.sum() + left - initial.sum()) / initial.sum())
        name = scheme.reconstruction if scheme.order == 1 else f"muscl, {scheme.limiter}"
        rows.append(
            f"| {name} | {' / '.join(map(str, cells))} | {' / '.join(f'{e:.1e}' for e in errors)} "
            f"| {np.log2(errors[-2] / errors[-1]):.2f} | {max(extrema, 0.0):.1e} | {mass:.1e} |"
        )
    return "\n".join(rows) + "\n"


def adaptive_table():
    """`bimodal_2d_0.2` with P2: refined where the error comes from, and uniformly; the picture of the refined mesh."""
    reference = REFERENCE["bimodal_2d_0.2"]["cost"]
    rows = ["| round | cells | nodes | error in J | estimated | ratio |", "|---" * 6 + "|"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", emfc.errors.BoundaryMassWarning)
        solution = emfc.solve(bimodal(2), box(2, 8), layers=20, adapt=emfc.meshes.Refine(target=1e-4))
        for k, row in enumerate(solution.rounds):
            true = row.cost - reference
            rows.append(
                f"| {k + 1} | {row.cells} | {row.unknowns} | {true:+.2e} | {row.error:+.2e} | {row.error / true:.3f} |"
            )
        rows += ["", "Uniform meshes of the same kind:", "", "| cells | nodes | error in J |", "|---|---|---|"]
        for n in (32, 48, 64, 72, 80, 88):
            uniform = emfc.solve(bimodal(2), box(2, n), layers=20)
            rows.append(f"| {uniform.mesh.size} | {uniform.unknowns.size} | {uniform.cost - reference:+.2e} |")
    picture(solution)
    return "\n".join(rows) + "\n"


def picture(solution):
    """The refined mesh with the density on it, at the start and at the end."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 4.8), layout="constrained")
    for axes, n in zip(figure.subplots(1, 2, sharey=True), (0, -1), strict=True):
        mesh = solution.mesh
        image = axes.tripcolor(*mesh.points.T, mesh.cells, solution.total_density[n], cmap="Blues", shading="gouraud")
        axes.triplot(*mesh.points.T, mesh.cells, color="0.35", lw=0.35)
        axes.set(title=f"t = {solution.times[n]:g}", xlabel="$x_1$", aspect="equal", xlim=(-4, 4), ylim=(-4, 4))
        figure.colorbar(image, ax=axes, label=r"density of $\mu(t)$", shrink=0.9)
    figure.axes[0].set_ylabel("$x_2$")
    figure.savefig(DOCS / "images" / "refined.png", dpi=110)


def domains_picture():
    """The cases disc, L-shape and channel: density at the start, the middle and the end, with trajectories."""
    rows = ["| case | cells | optimal cost | residual | change of mass | mass that met walls |", "|---" * 6 + "|"]
    for name in ("disc", "l_shape", "channel"):
        problem, options = Case.load(DOCS.parent / "cases" / f"{name}.py").build()
        solution = emfc.solve(problem, options.pop("mesh"), options.pop("layers"), **options)
        from eulerian_mfc.views.figures import figures

        figures(solution)["density"].savefig(DOCS / "images" / f"{name}.png", dpi=90)
        checks = solution.certificate
        rows.append(
            f"| {name} | {solution.mesh.size} | {solution.cost:.5f} | {solution.residual:.1e} "
            f"| {checks.mass_drift:.1e} | {checks.mass_crossed:.1e} |"
        )
    return "\n".join(rows) + "\n"


TABLES = {
    "simplex_orders": order_table,
    "simplex_volumes": volumes_table,
    "simplex_adaptive": adaptive_table,
    "simplex_domains": domains_picture,
    "simplex_three": three_table,
}

if __name__ == "__main__":
    for table_name in sys.argv[1:] or TABLES:
        text = TABLES[table_name]()
        (DOCS / "tables" / f"{table_name}.md").write_text(text)
        print(text, flush=True)
