/* The resize of _resample.c in AVX-512's VNNI: four taps in one instruction, bytes as they are.
 *
 * A weight has 24 bits, and an instruction takes 8. So a weight is cut into three signed digits of 8
 * bits, low + 2^8 mid + 2^16 high. Each digit has a sum of its own; the three are joined at the end.
 * All numbers are integers, so the result is the same in every bit. (Weights stay below 1.2, which
 * leaves the highest digit far from its limit.) Weights of 0 round the taps up to a multiple of four.
 */
#define TAPS 4
#define DIGITS 3
#define BYTES 64
#define VNNI __attribute__((target("avx512f,avx512bw,avx512vnni")))

typedef struct {
    int width;           /* groups of taps that each output has room for */
    int32_t *digits;     /* (outputs, width, DIGITS), four bytes each */
} Digits;

static int make_digits(Digits *digits, const Taps *taps) {
    digits->width = (taps->width + TAPS - 1) / TAPS;
    digits->digits = calloc((size_t)taps->n * digits->width * DIGITS, sizeof(int32_t));
    if (!digits->digits) return 0;
    for (int out = 0; out < taps->n; out++) {
        int8_t *bytes = (int8_t *)(digits->digits + (size_t)out * digits->width * DIGITS);
        for (int tap = 0; tap < taps->count[out]; tap++) {
            int32_t rest = taps->weights[(size_t)out * taps->width + tap];
            for (int digit = 0; digit < DIGITS; digit++) {
                int8_t value = (int8_t)(rest & 0xFF);
                bytes[(tap / TAPS * DIGITS + digit) * TAPS + tap % TAPS] = value;
                rest = (rest - value) / 256;
            }
        }
    }
    return 1;
}

VNNI static inline __m512i join(__m512i low, __m512i mid, __m512i high) {
    __m512i sum = _mm512_add_epi32(low, _mm512_slli_epi32(mid, 8));
    return _mm512_srai_epi32(_mm512_add_epi32(sum, _mm512_slli_epi32(high, 16)), PRECISION_BITS);
}

/* Four rows to their new width. Reads up to 13 bytes behind the last pixel of each row, and writes
 * one byte behind the last of the new row. */
VNNI static void across_vnni(const uint8_t *rows, size_t stride, const Taps *taps,
                             const Digits *digits, uint8_t *out, size_t out_stride) {
    const __m512i by_channel = _mm512_broadcast_i32x4(
        _mm_setr_epi8(0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11, -1, -1, -1, -1));
    for (int x = 0; x < taps->n; x++) {
        const uint8_t *pixels = rows + 3 * (size_t)taps->first[x];
        const int32_t *digit = digits->digits + (size_t)x * digits->width * DIGITS;
        __m512i low = _mm512_set1_epi32(HALF), mid = _mm512_setzero_si512(), high = mid;
        for (int tap = 0; tap < taps->count[x]; tap += TAPS, pixels += 3 * TAPS, digit += DIGITS) {
            __m512i four = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)pixels));
            four = _mm512_inserti32x4(four, _mm_loadu_si128((const __m128i *)(pixels + stride)), 1);
            four = _mm512_inserti32x4(
                four, _mm_loadu_si128((const __m128i *)(pixels + 2 * stride)), 2);
            four = _mm512_inserti32x4(
                four, _mm_loadu_si128((const __m128i *)(pixels + 3 * stride)), 3);
            four = _mm512_shuffle_epi8(four, by_channel);
            low = _mm512_dpbusd_epi32(low, four, _mm512_set1_epi32(digit[0]));
            mid = _mm512_dpbusd_epi32(mid, four, _mm512_set1_epi32(digit[1]));
            high = _mm512_dpbusd_epi32(high, four, _mm512_set1_epi32(digit[2]));
        }
        __m512i sums = _mm512_max_epi32(join(low, mid, high), _mm512_setzero_si512());
        uint8_t bytes[LANES];
        _mm_storeu_si128((__m128i *)bytes, _mm512_cvtusepi32_epi8(sums));
        for (int row = 0; row < ROWS; row++)
            memcpy(out + row * out_stride + 3 * (size_t)x, bytes + 4 * row, 4);
    }
}

/* 64 neighbouring bytes of one output row. Unpacking puts the bytes of four rows side by side within
 * each quarter of a register; packing undoes it. */
VNNI static inline __m512i down_vnni(const uint8_t *in, size_t stride, int count,
                                     const int32_t *digit) {
    __m512i sums[DIGITS][4];
    for (int part = 0; part < 4; part++) {
        sums[0][part] = _mm512_set1_epi32(HALF);
        sums[1][part] = sums[2][part] = _mm512_setzero_si512();
    }
    for (int tap = 0; tap < count; tap += TAPS, in += TAPS * stride, digit += DIGITS) {
        __m512i a = _mm512_loadu_si512(in), b = _mm512_loadu_si512(in + stride);
        __m512i c = _mm512_loadu_si512(in + 2 * stride), d = _mm512_loadu_si512(in + 3 * stride);
        __m512i ab = _mm512_unpacklo_epi8(a, b), cd = _mm512_unpacklo_epi8(c, d);
        __m512i AB = _mm512_unpackhi_epi8(a, b), CD = _mm512_unpackhi_epi8(c, d);
        __m512i fours[4] = {_mm512_unpacklo_epi16(ab, cd), _mm512_unpackhi_epi16(ab, cd),
                            _mm512_unpacklo_epi16(AB, CD), _mm512_unpackhi_epi16(AB, CD)};
        for (int k = 0; k < DIGITS; k++)
            for (int part = 0; part < 4; part++)
                sums[k][part] = _mm512_dpbusd_epi32(sums[k][part], fours[part],
                                                    _mm512_set1_epi32(digit[k]));
    }
    __m512i joined[4];
    for (int part = 0; part < 4; part++)
        joined[part] = join(sums[0][part], sums[1][part], sums[2][part]);
    return _mm512_packus_epi16(_mm512_packs_epi32(joined[0], joined[1]),
                               _mm512_packs_epi32(joined[2], joined[3]));
}

VNNI static void all_down_vnni(const uint8_t *in, size_t stride, const Taps *taps,
                               const Digits *digits, int n_bytes, uint8_t *out) {
    for (int row = 0; row < taps->n; row++) {
        const uint8_t *rows = in + taps->first[row] * stride;
        const int32_t *digit = digits->digits + (size_t)row * digits->width * DIGITS;
        for (int byte = 0; byte < n_bytes; byte += BYTES) {
            int left = n_bytes - byte;
            __mmask64 wanted = left < BYTES ? ((__mmask64)1 << left) - 1 : ~(__mmask64)0;
            __m512i bytes = down_vnni(rows + byte, stride, taps->count[row], digit);
            _mm512_mask_storeu_epi8(out + (size_t)row * n_bytes + byte, wanted, bytes);
        }
    }
}

static int resize_vnni(const uint8_t *in, int width, int height, const Taps *x_taps,
                       const Taps *y_taps, uint8_t *out) {
    int n_bytes = x_taps->n * 3;
    size_t in_stride = (size_t)width * 3, stride = (size_t)(n_bytes + BYTES) / BYTES * BYTES;
    Digits x_digits = {0}, y_digits = {0};
    uint8_t *edge = malloc(ROWS * in_stride + LANES);
    uint8_t *between = malloc((height + ROWS) * stride);
    int ok = make_digits(&x_digits, x_taps) && make_digits(&y_digits, y_taps) && edge && between;
    int end = y_taps->first[y_taps->n - 1] + y_taps->count[y_taps->n - 1];
    for (int row = y_taps->first[0]; ok && row < end; row += ROWS) {
        const uint8_t *rows = in + row * in_stride;
        if ((row + ROWS) * in_stride + LANES > height * in_stride) {
            /* At the end of the image: not a byte behind it may be read. */
            for (int i = 0; i < ROWS; i++)
                memcpy(edge + i * in_stride,
                       in + (row + i < height ? row + i : height - 1) * in_stride, in_stride);
            rows = edge;
        }
        across_vnni(rows, in_stride, x_taps, &x_digits, between + row * stride, stride);
    }
    if (ok) all_down_vnni(between, stride, y_taps, &y_digits, n_bytes, out);
    free(x_digits.digits);
    free(y_digits.digits);
    free(edge);
    free(between);
    return ok;
}
