/* Pillow's bicubic resize of 8-bit RGB, bit for bit, in the processor's vector units.
 *
 * Contract: resize_rgb(pixels, (width, height), out, (width, height), (left, top, right, bottom))
 * fills `out` with the part of `pixels` inside the box, in the size of `out`. Both are contiguous
 * uint8 arrays (height, width, 3), every side from 1 to 2^20 - 1; anything else is a ValueError.
 * resize.py holds the reference, `resize_in_pillow`: equal in every bit, on every processor.
 *
 * The rule is that of Pillow's src/libImaging/Resample.c before version 13. Weights are computed in
 * double precision and rounded to 22 fractional bits. A horizontal pass is rounded and clipped to 8
 * bits; a vertical pass follows. (From version 13 on Pillow takes the vertical pass of some tall
 * images first, which gives other numbers.) Weights must be computed without fused multiply-add
 * (-ffp-contract=off), as Pillow's are.
 *
 * Sums of integers are exact in any order. So four rows lie side by side as sixteen lanes of
 * (row, channel), and one multiplication serves all of them.
 *
 * Every loop is bounded by the sizes: an output sums 5 inputs where a pass enlarges, and 5 times the
 * factor where it shrinks.
 * Other threads of Python run meanwhile, and Ctrl-C takes effect after the image at hand.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PRECISION_BITS (32 - 8 - 2)
#define HALF (1 << (PRECISION_BITS - 1))
#define SUPPORT 2.0
#define ROWS 4
#define LANES (4 * ROWS)
#define MAX_SIDE (1 << 20)

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define HAS_X86_CODE 1
#include <immintrin.h>
#endif

typedef struct {
    int n, width;  /* outputs; room for weights of each */
    int *first, *count;
    int32_t *weights;
} Taps;

static double bicubic(double x) {
    const double a = -0.5;
    if (x < 0.0) x = -x;
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static void free_taps(Taps *taps) {
    free(taps->first);
    free(taps->count);
    free(taps->weights);
}

/* Weights of one output, not yet rounded; returns how many there are. */
static int weigh(double *weights, int n_in, double centre, double reach, double inverse, int *first) {
    int start = (int)(centre - reach + 0.5), stop = (int)(centre + reach + 0.5);
    double sum = 0.0;
    if (start < 0) start = 0;
    if (stop > n_in) stop = n_in;
    for (int i = 0; i < stop - start; i++) {
        weights[i] = bicubic((i + start - centre + 0.5) * inverse);
        sum += weights[i];
    }
    for (int i = 0; i < stop - start; i++)
        if (sum != 0.0) weights[i] /= sum;
    *first = start;
    return stop - start;
}

static int make_taps(Taps *taps, int n_in, float from, float to, int n_out) {
    double scale = (double)(to - from) / n_out;
    double stretch = scale < 1.0 ? 1.0 : scale;
    double reach = SUPPORT * stretch, inverse = 1.0 / stretch;
    taps->n = n_out;
    taps->width = (int)ceil(reach) * 2 + 1;
    taps->first = malloc(n_out * sizeof(int));
    taps->count = malloc(n_out * sizeof(int));
    taps->weights = calloc((size_t)n_out * taps->width, sizeof(int32_t));
    double *exact = malloc(taps->width * sizeof(double));
    int ok = taps->first && taps->count && taps->weights && exact;
    for (int out = 0; ok && out < n_out; out++) {
        double centre = from + (out + 0.5) * scale;
        int count = weigh(exact, n_in, centre, reach, inverse, &taps->first[out]);
        taps->count[out] = count;
        for (int i = 0; i < count; i++)
            taps->weights[(size_t)out * taps->width + i] =
                (int)((exact[i] < 0 ? -0.5 : 0.5) + exact[i] * (1 << PRECISION_BITS));
    }
    free(exact);
    return ok;
}

/* Put four rows of RGB side by side: lanes[x] = r0 g0 b0 _ r1 g1 b1 _ …; missing rows repeat. */
static void interleave(const uint8_t *rows, int n_rows, int width, uint8_t *lanes) {
    for (int row = 0; row < ROWS; row++) {
        const uint8_t *pixels = rows + (size_t)(row < n_rows ? row : n_rows - 1) * width * 3;
        uint8_t *lane = lanes + 4 * row;
        for (int x = 0; x < width - 1; x++) memcpy(lane + (size_t)x * LANES, pixels + 3 * x, 4);
        memcpy(lane + (size_t)(width - 1) * LANES, pixels + 3 * (width - 1), 3);
    }
}

/* Sixteen neighbouring bytes of one output row: a weighted sum of input rows, rounded and clipped. */
typedef void Block(const uint8_t *in, size_t stride, const int32_t *weights, int count,
                   uint8_t *out);

static void block_plain(const uint8_t *in, size_t stride, const int32_t *weights, int count,
                        uint8_t *out) {
    int32_t sums[LANES];
    for (int lane = 0; lane < LANES; lane++) sums[lane] = HALF;
    for (int i = 0; i < count; i++, in += stride)
        for (int lane = 0; lane < LANES; lane++) sums[lane] += weights[i] * in[lane];
    for (int lane = 0; lane < LANES; lane++) {
        int32_t value = sums[lane] >> PRECISION_BITS;
        out[lane] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
    }
}

#ifdef HAS_X86_CODE
__attribute__((target("avx2"))) static inline __m256i widen(const uint8_t *bytes) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)bytes));
}

__attribute__((target("avx2"))) static void block_avx2(const uint8_t *in, size_t stride,
                                                       const int32_t *weights, int count,
                                                       uint8_t *out) {
    __m256i low = _mm256_set1_epi32(HALF), high = low;
    for (int i = 0; i < count; i++, in += stride) {
        __m256i weight = _mm256_set1_epi32(weights[i]);
        low = _mm256_add_epi32(low, _mm256_mullo_epi32(widen(in), weight));
        high = _mm256_add_epi32(high, _mm256_mullo_epi32(widen(in + LANES / 2), weight));
    }
    low = _mm256_srai_epi32(low, PRECISION_BITS);
    high = _mm256_srai_epi32(high, PRECISION_BITS);
    /* Packing saturates, which is the clipping; it works on 128-bit halves, hence the permutation. */
    __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xD8);
    __m128i bytes =
        _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128((__m128i *)out, bytes);
}
#endif

/* One pass, in either direction: interleaved rows, read by column, are rows of sixteen bytes. */
static void pass(Block *block, const uint8_t *in, int n_blocks, const Taps *taps, uint8_t *out) {
    size_t stride = (size_t)n_blocks * LANES;
    for (int row = 0; row < taps->n; row++)
        for (size_t byte = 0; byte < stride; byte += LANES)
            block(in + taps->first[row] * stride + byte, stride,
                  taps->weights + (size_t)row * taps->width, taps->count[row],
                  out + row * stride + byte);
}

/* Take four rows apart again. */
static void separate(const uint8_t *lanes, int n_rows, int width, uint8_t *rows, size_t stride) {
    for (int row = 0; row < n_rows; row++)
        for (int x = 0; x < width; x++)
            memcpy(rows + row * stride + 3 * x, lanes + (size_t)x * LANES + 4 * row, 3);
}

static int resize_by_block(Block *block, const uint8_t *in, int width, int height,
                           const Taps *x_taps, const Taps *y_taps, uint8_t *out) {
    int n_bytes = x_taps->n * 3, n_blocks = (n_bytes + LANES - 1) / LANES;
    size_t stride = (size_t)n_blocks * LANES;
    uint8_t *lanes = malloc((size_t)width * LANES);
    uint8_t *narrow = malloc((size_t)x_taps->n * LANES);
    uint8_t *between = calloc(height, stride);
    uint8_t *done = malloc(y_taps->n * stride);
    int ok = lanes && narrow && between && done;
    int begin = y_taps->first[0];
    int end = y_taps->first[y_taps->n - 1] + y_taps->count[y_taps->n - 1];
    for (int row = begin; ok && row < end; row += ROWS) {
        int n_now = end - row < ROWS ? end - row : ROWS;
        interleave(in + (size_t)row * width * 3, n_now, width, lanes);
        pass(block, lanes, 1, x_taps, narrow);
        separate(narrow, n_now, x_taps->n, between + row * stride, stride);
    }
    if (ok) pass(block, between, n_blocks, y_taps, done);
    for (int row = 0; ok && row < y_taps->n; row++)
        memcpy(out + (size_t)row * n_bytes, done + row * stride, n_bytes);
    free(lanes);
    free(narrow);
    free(between);
    free(done);
    return ok;
}

static int resize_plain(const uint8_t *in, int width, int height, const Taps *x_taps,
                        const Taps *y_taps, uint8_t *out) {
    return resize_by_block(block_plain, in, width, height, x_taps, y_taps, out);
}

#ifdef HAS_X86_CODE
static int resize_avx2(const uint8_t *in, int width, int height, const Taps *x_taps,
                       const Taps *y_taps, uint8_t *out) {
    return resize_by_block(block_avx2, in, width, height, x_taps, y_taps, out);
}

#include "_resample_vnni.h"
#endif

typedef int Resize(const uint8_t *in, int width, int height, const Taps *x_taps,
                   const Taps *y_taps, uint8_t *out);

/* What computes it: the fastest that the processor has, or one that a test asks for. */
static Resize *choose_units(const char *wanted) {
#ifdef HAS_X86_CODE
    int vnni = __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw");
    int avx2 = __builtin_cpu_supports("avx2");
    if (vnni && (!*wanted || !strcmp(wanted, "vnni"))) return resize_vnni;
    if (avx2 && (!*wanted || !strcmp(wanted, "avx2"))) return resize_avx2;
#endif
    return !*wanted || !strcmp(wanted, "plain") ? resize_plain : NULL;
}

static int fits(Py_buffer *in, Py_buffer *out, int width, int height, int to_width, int to_height,
                const float *box) {
    int sides = width > 0 && height > 0 && to_width > 0 && to_height > 0 && width < MAX_SIDE &&
                height < MAX_SIDE && to_width < MAX_SIDE && to_height < MAX_SIDE;
    int inside = box[0] >= 0 && box[1] >= 0 && box[2] <= width && box[3] <= height &&
                 box[0] < box[2] && box[1] < box[3];
    return sides && inside && in->len == (Py_ssize_t)width * height * 3 &&
           out->len == (Py_ssize_t)to_width * to_height * 3;
}

static PyObject *resize_rgb(PyObject *Py_UNUSED(module), PyObject *args) {
    Py_buffer in, out;
    int width, height, to_width, to_height, done = 0;
    float box[4];
    const char *wanted = "";
    if (!PyArg_ParseTuple(args, "y*(ii)w*(ii)(ffff)|s", &in, &width, &height, &out, &to_width,
                          &to_height, &box[0], &box[1], &box[2], &box[3], &wanted))
        return NULL;
    Resize *resize = choose_units(wanted);
    int valid = resize && fits(&in, &out, width, height, to_width, to_height, box);
    if (valid) {
        Taps across_taps = {0}, down_taps = {0};
        Py_BEGIN_ALLOW_THREADS
        done = make_taps(&across_taps, width, box[0], box[2], to_width) &&
               make_taps(&down_taps, height, box[1], box[3], to_height) &&
               resize(in.buf, width, height, &across_taps, &down_taps, out.buf);
        free_taps(&across_taps);
        free_taps(&down_taps);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&in);
    PyBuffer_Release(&out);
    if (!valid)
        return PyErr_Format(PyExc_ValueError,
                            "sizes, box and buffers do not fit, or no such units");
    if (!done) return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"resize_rgb", resize_rgb, METH_VARARGS,
     "resize_rgb(pixels, (width, height), out, (width, height), (left, top, right, bottom), units='')"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_resample",
    .m_doc = "Pillow's bicubic resize of 8-bit RGB.",
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__resample(void) { return PyModuleDef_Init(&definition); }
