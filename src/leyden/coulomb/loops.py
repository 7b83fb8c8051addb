"""The two loops of a stencil, compiled by numba: one site after another, in steps of p, p^2 and p^3 operations.

`spline` and `ranks` are tuples of which only the length counts, p and 1 + the order of the derivatives: lengths are
part of their types, so that they are constants of the compiled code, which numba keeps on disk.
"""

import numpy as np
from numba import njit

compiled = njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})


@compiled
def lay(coefficients, x, near, sizes, first, indices, spline, ranks, density):  # type: ignore[no-untyped-def]
    """Add coefficients (M, n) of derivatives indices (n, 3) to the density (nodes,).

    x (M, 3): where sites are past a node; near (M, 3): their first nodes; sizes (M, 3), first (M,): of their meshes.
    """
    p, r = len(spline), len(ranks)
    w, node = np.empty((3, r, p), x.dtype), np.empty((3, p), np.int64)
    line, plane = np.empty((r, r, p), x.dtype), np.empty((r, p, p), x.dtype)
    for m in range(len(x)):
        _reach(x[m], near[m], sizes[m], spline, ranks, w, node)
        line[:], plane[:] = 0.0, 0.0
        for n in range(len(indices)):
            a, b, c = indices[n]
            for k in range(p):
                line[a, b, k] += coefficients[m, n] * w[2, c, k]
        for a in range(r):
            for b in range(r - a):
                for j in range(p):
                    f = w[1, b, j]
                    for k in range(p):
                        plane[a, j, k] += f * line[a, b, k]
        joined = near[m, 2] + p <= sizes[m, 2]
        for i in range(p):
            for j in range(p):
                row = first[m] + node[0, i] + node[1, j]
                if joined:
                    for a in range(r):
                        f = w[0, a, i]
                        for k in range(p):
                            density[row + near[m, 2] + k] += f * plane[a, j, k]
                else:
                    for a in range(r):
                        f = w[0, a, i]
                        for k in range(p):
                            density[row + node[2, k]] += f * plane[a, j, k]


@compiled
def read(potential, x, near, sizes, first, indices, spline, ranks, out):  # type: ignore[no-untyped-def]
    """The transpose: (nodes,) to out (M, n)."""
    p, r = len(spline), len(ranks)
    w, node, values = np.empty((3, r, p), x.dtype), np.empty((3, p), np.int64), np.empty(p, x.dtype)
    line, plane = np.empty((r, r, p), x.dtype), np.empty((r, p, p), x.dtype)
    for m in range(len(x)):
        _reach(x[m], near[m], sizes[m], spline, ranks, w, node)
        line[:], plane[:] = 0.0, 0.0
        joined = near[m, 2] + p <= sizes[m, 2]
        for i in range(p):
            for j in range(p):
                row = first[m] + node[0, i] + node[1, j]
                if joined:
                    for k in range(p):
                        values[k] = potential[row + near[m, 2] + k]
                else:
                    for k in range(p):
                        values[k] = potential[row + node[2, k]]
                for a in range(r):
                    f = w[0, a, i]
                    for k in range(p):
                        plane[a, j, k] += f * values[k]
        for a in range(r):
            for b in range(r - a):
                for j in range(p):
                    f = w[1, b, j]
                    for k in range(p):
                        line[a, b, k] += f * plane[a, j, k]
        for n in range(len(indices)):
            a, b, c = indices[n]
            felt = x.dtype.type(0.0)
            for k in range(p):
                felt += w[2, c, k] * line[a, b, k]
            out[m, n] = felt


@compiled
def _reach(x, near, sizes, spline, ranks, w, node):  # type: ignore[no-untyped-def]
    """Weights w (3, ranks, p), derivatives by s of M_p(x + j) as in splines.py; where the nodes stand, (3, p)."""
    p, stride = len(spline), 1
    for axis in range(2, -1, -1):
        size, place, t = sizes[axis], near[axis], x[axis]
        for j in range(p):
            node[axis, j] = place * stride
            place = place + 1 if place + 1 < size else 0
        stride *= size
        for a in range(len(ranks)):
            v = w[axis, a]
            v[:] = 0.0
            v[0] = 1.0
            for q in range(2, p - a + 1):
                scale = x.dtype.type(1.0 / (q - 1))
                for j in range(q - 1, 0, -1):
                    v[j] = ((t + j) * v[j] + (q - t - j) * v[j - 1]) * scale
                v[0] *= t * scale
            for d in range(p - a, p):
                for j in range(d, 0, -1):
                    v[j] = size * (v[j] - v[j - 1])
                v[0] *= size
