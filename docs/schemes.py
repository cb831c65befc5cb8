"""Every scheme against exact flows: `python docs/schemes.py` writes the tables and pictures of docs/schemes.md."""

import json
import sys
from pathlib import Path

import numpy as np
from scipy.stats import wasserstein_distance

import eulerian_mfc as emfc
from eulerian_mfc.continuity.limiters import LIMITERS
from eulerian_mfc.flow import Flow, Layer

sys.path.insert(0, str(Path(__file__).parent))
from flows import averages, bump, l1_error, layers_of, order, rotation, swirl, tanh_flow, transported

DOCS = Path(__file__).parent
FV, SL = emfc.continuity.FiniteVolume, emfc.transport.SemiLagrangian
REFERENCE = json.loads((DOCS.parent / "tests" / "reference.json").read_text())

CONTINUITY = {
    "upwind": FV("upwind"),
    **{f"MUSCL {limiter}": FV("muscl", limiter=limiter) for limiter in LIMITERS},
    "WENO5": FV("weno5"),
}  # fmt: skip
#: flow, initial density, cells for upwind, cells for the others; the law stays clear of the boundary
SMOOTH = {
    "tanh, 1D": (tanh_flow(), bump([0.3], 0.7), (100, 200, 400, 800), (50, 100, 200, 400)),
    "rotation, 2D": (rotation(2), bump([0.4, 0.1], 0.35), (64, 128, 256, 512), (32, 48, 64, 96)),
    "swirl, 2D": (swirl(2, 0.3), bump([0.5, 0.5], 0.12), (32, 64, 128, 256), (48, 64, 96, 128)),
    "rotation, 3D": (rotation(3, 0.3, 1.8), bump([0.2, 0.1, 0.0], 0.4), (48, 64, 96, 128), (32, 40, 48, 64)),
    "swirl, 3D": (swirl(3, 0.15), bump([0.5, 0.5, 0.5], 0.13), (24, 32, 48, 64), (24, 32, 40, 48)),
}


def smooth_orders(scheme, name, meshes=4):
    """`(cells, L1 errors, fitted order)` at a fixed Courant number, on so many meshes from the coarsest on."""
    flow, initial, coarse, fine = SMOOTH[name]
    cells = (coarse if scheme.reconstruction == "upwind" else fine)[:meshes]
    errors = [l1_error(scheme, flow, initial, n) for n in cells]
    return cells, errors, order(cells, errors)


def order_table():
    rows = ["| scheme | flow | cells per side | L1 errors | order |", "|---|---|---|---|---|"]
    for label, scheme in CONTINUITY.items():
        for name in SMOOTH:
            if "3D" in name and label not in ("upwind", "MUSCL mc", "WENO5"):
                continue
            cells, errors, slope = smooth_orders(scheme, name)
            rows.append(
                f"| {label} | {name} | {' / '.join(map(str, cells))} | {' / '.join(f'{e:.1e}' for e in errors)} | {slope:.2f} |"
            )
    return "\n".join(rows) + "\n"


TRANSPORT = {
    "upwind differences": emfc.transport.FiniteVolume("upwind"),
    "WENO5 differences": emfc.transport.FiniteVolume("weno5"),
    "limited cubic": SL(3, "limited"),
    "cubic splines": SL(3),
}


def transport_errors(scheme, cells, layers, norm):
    """Error of psi at time 0 against the exact tanh flow, on |x| <= 2."""
    flow = tanh_flow(theta=-0.8, half_width=8.0)
    mesh = flow.mesh(cells)
    final = lambda x: np.exp(-(x[:, 0] ** 2)) + x[:, 0] / 3  # noqa: E731
    operator = scheme.on(mesh, Flow(flow.field, emfc.LayerMap("rk4", 4)))
    psi = final(mesh.centres)[None]
    for layer in reversed(layers_of(flow, layers)):
        psi = operator.step(layer, psi)
    theta = flow.theta[0, 0]
    exact = final(np.arcsinh(np.exp(theta) * np.sinh(theta * mesh.centres)) / theta)
    inside = np.abs(mesh.centres[:, 0]) <= 2
    gap = np.abs(psi[0] - exact)[inside]
    return float(gap.max() if norm == "max" else gap.mean())


def transport_orders(label):
    """`(cells, errors, order)`: cells and layers doubled together; L1 for the limited scheme, else the maximum."""
    cells = (160, 320, 640, 1280)
    norm = "L1" if "limited" in label else "max"
    errors = [transport_errors(TRANSPORT[label], n, n // 8, norm) for n in cells]
    return cells, errors, order(cells, errors)


def layers_table():
    """The classical warning: at a fixed mesh, shorter layers make semi-Lagrangian errors grow."""
    counts = (2, 10, 50, 250)
    rows = [f"| scheme, 160 cells | {' | '.join(f'{n} layers' for n in counts)} |", "|---" * (len(counts) + 1) + "|"]
    for label, scheme in {"degree 1": SL(1), "cubic Lagrange": SL(3, "lagrange"), "cubic splines": SL(3)}.items():
        errors = [transport_errors(scheme, 160, n, "max") for n in counts]
        rows.append(f"| {label} | {' | '.join(f'{e:.1e}' for e in errors)} |")
    return "\n".join(rows) + "\n"


def transport_table():
    rows = ["| transport scheme | norm | cells | errors | order |", "|---|---|---|---|---|"]
    for label in TRANSPORT:
        cells, errors, slope = transport_orders(label)
        norm = "L1" if "limited" in label else "maximum"
        rows.append(
            f"| {label} | {norm} | {' / '.join(map(str, cells))} | {' / '.join(f'{e:.1e}' for e in errors)} | {slope:.2f} |"
        )
    return "\n".join(rows) + "\n"


def indicator(low, high):
    return lambda x: ((x[:, 0] > low) & (x[:, 0] < high)).astype(float)


def half_gaussian(x):
    return np.where(x[:, 0] > 0, np.exp(-(x[:, 0] ** 2) / 2), 0.0)


ROUGH = {"box": (indicator(-1.0, 1.0), 0.3), "half Gaussian": (half_gaussian, 0.0)}


def rough_run(scheme, name, cells):
    """`(masses, exact masses, mesh, initial masses)` after a translation (box) or the tanh flow (half Gaussian)."""
    initial, speed = ROUGH[name]
    if speed:
        mesh = emfc.CartesianMesh([(-4.0, 4.0)], cells)
        field, theta = emfc.fields.AffineField(1, matrix=False), np.array([speed])
        exact = averages(mesh, lambda x: initial(x - speed))
    else:
        flow = tanh_flow(half_width=8.0)
        mesh, field, theta = flow.mesh(cells), flow.field, flow.theta[0]
        exact = averages(mesh, flow.density(initial))
    start = averages(mesh, initial)
    if isinstance(scheme, SL):
        transport = scheme.on(mesh, Flow(field, emfc.LayerMap("rk4", 4)))
        operator = scheme.adjoint().on(mesh, transport.flow, transport)
    else:
        operator = scheme.on(mesh, Flow(field, emfc.LayerMap()))
    masses = start
    for n in range(10):
        masses, _ = operator.step(Layer(n / 10, 0.1, theta), masses)
    return masses[0], exact[0], mesh, start[0]


def w1(masses, exact, mesh):
    """Wasserstein-1 distance of two densities on the line, negative parts left out."""
    x = mesh.axis(0)
    return wasserstein_distance(x, x, np.maximum(masses, 0), np.maximum(exact, 0))


def rough_table():
    cells = (100, 200, 400, 800)
    rows = [
        "| scheme | density | W1 errors, 100 to 800 cells | order | new extrema | least mass |",
        "|---|---|---|---|---|---|",
    ]
    for label, scheme in {**CONTINUITY, "degree 1, adjoint": SL(1), "cubic splines, adjoint": SL(3)}.items():
        for name in ROUGH:
            runs = [rough_run(scheme, name, n) for n in cells]
            errors = [w1(m, e, mesh) for m, e, mesh, _ in runs]
            m, e, _, start = runs[-1]
            over = max(m.max() - max(start.max(), e.max()), 0.0) / start.max()
            rows.append(
                f"| {label} | {name} | {' / '.join(f'{v:.1e}' for v in errors)} | {order(cells, errors):.2f} "
                f"| {over:.1e} | {min(r[0].min() for r in runs):.1e} |"
            )
    return "\n".join(rows) + "\n"


PAIRS = [(r, d) for r in ("upwind", "muscl", "weno5") for d in (1, 3, 5)]


def optimum_errors(name, reconstruction, degree, cells, initial=None):
    """Largest error of the control against the reference, by shooting with relaxation."""
    if name.startswith("toy"):
        law = emfc.laws.Labelled(emfc.laws.Gaussian([0.0], 1.0), np.sign, breaks=[0.0])
        penalty, width = 1.0, 8.0
    else:
        law, penalty, width = emfc.laws.Labelled(emfc.laws.GaussianMixture([[-1.0], [1.0]], 0.2), [-2.0, 2.0]), 0.2, 4.0
    problem = emfc.Problem(emfc.fields.NeuralField(1, bias=False), law, emfc.losses.SquaredLoss(), penalty, 1.0)
    errors = []
    for n in cells:
        solution = emfc.solve(
            problem,
            emfc.CartesianMesh([(-width, width)], n),
            layers=20,
            continuity=FV(reconstruction),
            transport=SL(degree),
            solver=emfc.solvers.Shooting(relaxation=0.5, tol=1e-8, max_iterations=60),
            initial=initial,
        )
        errors.append(float(np.abs(solution.control - REFERENCE[name]["control"]).max()))
    return errors


def pairs_table():
    cells = (80, 160, 320, 640)
    rows = [
        "| problem | continuity | transport | errors in theta, 80 to 640 cells | order | limited by |",
        "|---|---|---|---|---|---|",
    ]
    for name in ("bimodal_1d_0.2", "toy_line_nobias_1"):
        for reconstruction, degree in PAIRS:
            errors = optimum_errors(name, reconstruction, degree, cells)
            weaker = "transport" if degree < FV(reconstruction).order else "continuity"
            rows.append(
                f"| {name} | {reconstruction} | degree {degree} | {' / '.join(f'{e:.1e}' for e in errors)} "
                f"| {order(cells, errors):.2f} | {weaker} |"
            )
    return "\n".join(rows) + "\n"


def zalesak(x):
    """Zalesak's disk, radius 0.3 about (0, 0.45), with a slot of width 0.1."""
    disk = (x[:, 0] ** 2 + (x[:, 1] - 0.45) ** 2) < 0.09
    slot = (np.abs(x[:, 0]) < 0.05) & (x[:, 1] < 0.55)
    return (disk & ~slot).astype(float)


def disk(x):
    """A disk of radius 0.15 about (0.5, 0.75): the body of the deformational test."""
    return (((x - np.array([0.5, 0.75])) ** 2).sum(axis=1) < 0.0225).astype(float)


PICTURES = {"zalesak": (rotation(2, 2 * np.pi, 1.0), zalesak), "swirl": (swirl(2, 1.0, there_and_back=True), disk)}
SHOWN = {"upwind": FV("upwind"), "MUSCL minmod": FV("muscl", limiter="minmod"), "MUSCL mc": FV("muscl"),
         "MUSCL superbee": FV("muscl", limiter="superbee"), "WENO5": FV("weno5"), "degree 1, adjoint": SL(1),
         "cubic splines, adjoint": SL(3), "quintic splines, adjoint": SL(5)}  # fmt: skip


def body(scheme, name, cells, layers=100):
    """`(masses, exact, mass error, mesh)` of a body carried once around, or there and back."""
    flow, initial = PICTURES[name]
    mesh = flow.mesh(cells)
    exact = averages(mesh, initial)
    masses, left = transported(scheme, flow, exact, mesh, layers)
    gone = 0.0 if isinstance(scheme, SL) else left  # clamped mass stays in the box
    return masses[0], exact[0], abs(masses.sum() + gone - exact.sum()) / exact.sum(), mesh


def body_pictures(cells=100):
    from matplotlib.figure import Figure

    rows = [
        "| test | scheme | L1 error, relative | least | largest | change of mass + outflow |",
        "|---|---|---|---|---|---|",
    ]
    for name in PICTURES:
        figure = Figure(figsize=(12, 6.4), layout="constrained")
        panels = figure.subplots(2, 4, sharex=True, sharey=True)
        for axes, (label, scheme) in zip(panels.ravel(), SHOWN.items(), strict=True):
            masses, exact, mass_error, mesh = body(scheme, name, cells)
            density = masses / mesh.volume
            image = axes.pcolormesh(
                mesh.faces(0), mesh.faces(1), density.T, cmap="Greys", vmin=0, vmax=1, rasterized=True
            )
            axes.contour(mesh.axis(0), mesh.axis(1), exact.T / mesh.volume, [0.5], colors="#D55E00", linewidths=0.8)
            axes.set(title=label, aspect="equal")
            error = np.abs(masses - exact).sum() / exact.sum()
            rows.append(
                f"| {name} | {label} | {error:.3f} | {density.min():.2e} | {density.max():.3f} | {mass_error:.1e} |"
            )
        for axes in panels[1]:
            axes.set_xlabel("$x_1$")
        for axes in panels[:, 0]:
            axes.set_ylabel("$x_2$")
        figure.colorbar(image, ax=panels, label="density (exact outline in orange)", shrink=0.8)
        figure.savefig(DOCS / "images" / f"{name}.png", dpi=80)
    return "\n".join(rows) + "\n"


TABLES = {
    "continuity_orders": order_table,
    "more_transport_orders": transport_table,
    "shrinking_layers": layers_table,
    "rough_densities": rough_table,
    "optimum_by_pair": pairs_table,
    "bodies": body_pictures,
}

if __name__ == "__main__":
    for table_name in sys.argv[1:] or TABLES:
        text = TABLES[table_name]()
        (DOCS / "tables" / f"{table_name}.md").write_text(text)
        print(text, flush=True)
