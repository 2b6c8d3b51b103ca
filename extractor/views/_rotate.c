/* Rotation of 8-bit RGB about its centre, its corners filled by the mirrored image.
 *
 * Contract: rotate_rgb(pixels, (width, height), out, cosine, sine) fills `out` with `pixels`, rotated
 * counter-clockwise. Both are contiguous uint8 arrays (height, width, 3) of one size, every side from
 * 1 to 2^20 - 1; cosine and sine are those of the angle, times 2^16 and rounded, at most 2^16 either
 * way; anything else is a ValueError. rotation.py holds the reference, `rotate_in_numpy`: equal in
 * every bit, on every processor.
 *
 * A new pixel lies between four old ones, and is their mean by its distances, in 1/256 of a pixel:
 * all is computed in integers. One loop over the pixels; other threads of Python run meanwhile, and
 * Ctrl-C takes effect after the image at hand.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdint.h>

#define MAX_SIDE (1 << 20)
#define ONE (1 << 16)

/* The pixel that stands at a position beyond the edge: the image goes on as in a mirror. */
static inline int64_t mirrored(int64_t position, int64_t n) {
    if ((uint64_t)position < (uint64_t)n) return position;
    position %= 2 * n;
    if (position < 0) position += 2 * n;
    return position < n ? position : 2 * n - 1 - position;
}

static void rotate(const uint8_t *in, uint8_t *out, int64_t width, int64_t height, int64_t cosine,
                   int64_t sine) {
    for (int64_t y = 0; y < height; y++) {
        int64_t down = 2 * y + 1 - height;
        /* Positions in 1/2^17 of a pixel; from one new pixel to the next they grow by twice these. */
        int64_t across_at = cosine * (1 - width) - sine * down + (width - 1) * ONE;
        int64_t down_at = sine * (1 - width) + cosine * down + (height - 1) * ONE;
        for (int64_t x = 0; x < width; x++, across_at += 2 * cosine, down_at += 2 * sine) {
            int64_t left = across_at >> 17, top = down_at >> 17;
            int right_part = (int)(across_at >> 9) & 255, lower_part = (int)(down_at >> 9) & 255;
            int64_t right = 3 * mirrored(left + 1, width), low = mirrored(top + 1, height);
            left = 3 * mirrored(left, width);
            const uint8_t *upper = in + 3 * width * mirrored(top, height);
            const uint8_t *lower = in + 3 * width * low;
            /* The weights of the four sum to 2^16. */
            int d = right_part * lower_part, c = (lower_part << 8) - d, b = (right_part << 8) - d;
            int a = ONE - b - c - d;
            for (int channel = 0; channel < 3; channel++)
                *out++ = (uint8_t)((upper[left + channel] * a + upper[right + channel] * b +
                                    lower[left + channel] * c + lower[right + channel] * d +
                                    ONE / 2) >> 16);
        }
    }
}

static PyObject *rotate_rgb(PyObject *Py_UNUSED(module), PyObject *args) {
    Py_buffer in, out;
    int width, height, cosine, sine;
    if (!PyArg_ParseTuple(args, "y*(ii)w*ii", &in, &width, &height, &out, &cosine, &sine))
        return NULL;
    int sides = width > 0 && height > 0 && width < MAX_SIDE && height < MAX_SIDE;
    Py_ssize_t n_bytes = sides ? (Py_ssize_t)width * height * 3 : -1;
    int valid = in.len == n_bytes && out.len == n_bytes && cosine >= -ONE && cosine <= ONE &&
                sine >= -ONE && sine <= ONE;
    if (valid) {
        Py_BEGIN_ALLOW_THREADS
        rotate(in.buf, out.buf, width, height, cosine, sine);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&in);
    PyBuffer_Release(&out);
    if (!valid) return PyErr_Format(PyExc_ValueError, "size, angle and buffers do not fit");
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"rotate_rgb", rotate_rgb, METH_VARARGS,
     "rotate_rgb(pixels, (width, height), out, cosine, sine)"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_rotate",
    .m_doc = "Rotation of 8-bit RGB about its centre.",
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__rotate(void) { return PyModuleDef_Init(&definition); }
