/* Products of bfloat16: in AMX tiles, 16 rows of 32 numbers times 32 rows of 16, or in AVX-512. */
#if defined(__x86_64__) && defined(__linux__) && \
    ((defined(__clang__) && __clang_major__ >= 12) || (!defined(__clang__) && __GNUC__ >= 11))
#define HAS_TILES 1
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TILES __attribute__((target("amx-tile,amx-bf16")))
#define LEAF 7
#define TILE_STATE 18

/* Ask the system for tiles; all threads made afterwards may use them. */
static int may_use_tiles(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid_count(LEAF, 0, &a, &b, &c, &d)) return 0;
    int has_tiles = d >> 24 & 1, has_bfloat16 = d >> 22 & 1;
    const long request = 0x1023; /* ARCH_REQ_XCOMP_PERM */
    return has_tiles && has_bfloat16 && !syscall(SYS_arch_prctl, request, TILE_STATE);
}

/* Libraries that use tiles in the caller's thread rely on what they set up there: only threads of
 * our own come here. */
TILES static void begin_tiles(void) {
    struct __attribute__((packed)) {
        uint8_t palette, start, reserved[14];
        uint16_t row_bytes[16];
        uint8_t n_rows[16];
    } setup = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        setup.row_bytes[i] = 64;
        setup.n_rows[i] = 16;
    }
    __asm__ volatile("" : : "r"(&setup) : "memory"); /* GCC takes only its first bytes for read */
    _tile_loadconfig(&setup);
}

TILES static void end_tiles(void) { _tile_release(); }

TILES static void tile_product(const uint16_t *left, ptrdiff_t left_stride, const uint32_t *right,
                               ptrdiff_t block_size, ptrdiff_t depth, float *out,
                               ptrdiff_t out_stride) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (ptrdiff_t k = 0; k < depth; k += 32) {
        _tile_loadd(4, left + k, left_stride * 2);
        _tile_loadd(6, right + k * 8, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_loadd(7, right + block_size + k * 8, 64);
        _tile_dpbf16ps(1, 4, 7);
        _tile_loadd(5, left + 16 * left_stride + k, left_stride * 2);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, out, out_stride * 4);
    _tile_stored(1, out + 16, out_stride * 4);
    _tile_stored(2, out + 16 * out_stride, out_stride * 4);
    _tile_stored(3, out + 16 * out_stride + 16, out_stride * 4);
}

#define VECTORS __attribute__((target("avx512f,avx512bf16")))
#define ROWS_AT_A_TIME 8

VECTORS static void vector_product(const uint16_t *left, ptrdiff_t left_stride,
                                   const uint32_t *right, ptrdiff_t block_size, ptrdiff_t depth,
                                   float *out, ptrdiff_t out_stride) {
    for (int row = 0; row < 32; row += ROWS_AT_A_TIME) {
        const uint16_t *lines = left + row * left_stride;
        __m512 sums[ROWS_AT_A_TIME][2];
        for (int j = 0; j < ROWS_AT_A_TIME; j++) sums[j][0] = sums[j][1] = _mm512_setzero_ps();
        for (ptrdiff_t k = 0; k < depth; k += 2) {
            __m512bh first = (__m512bh)_mm512_loadu_si512(right + k * 8);
            __m512bh second = (__m512bh)_mm512_loadu_si512(right + block_size + k * 8);
            for (int j = 0; j < ROWS_AT_A_TIME; j++) {
                int32_t pair;
                __builtin_memcpy(&pair, lines + j * left_stride + k, 4);
                __m512bh by = (__m512bh)_mm512_set1_epi32(pair);
                sums[j][0] = _mm512_dpbf16_ps(sums[j][0], by, first);
                sums[j][1] = _mm512_dpbf16_ps(sums[j][1], by, second);
            }
        }
        for (int j = 0; j < ROWS_AT_A_TIME; j++) {
            _mm512_storeu_ps(out + (row + j) * out_stride, sums[j][0]);
            _mm512_storeu_ps(out + (row + j) * out_stride + 16, sums[j][1]);
        }
    }
}

/* The product in AVX-512, or NULL where the processor has none of bfloat16. */
static MultiplyPairs *find_vector_product(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512bf16") ? vector_product : NULL;
}
#else
static int may_use_tiles(void) { return 0; }
static MultiplyPairs *find_vector_product(void) { return NULL; }
static void begin_tiles(void) {}
static void end_tiles(void) {}
static void tile_product(const uint16_t *left, ptrdiff_t left_stride, const uint32_t *right,
                         ptrdiff_t block_size, ptrdiff_t depth, float *out, ptrdiff_t out_stride) {
    (void)left, (void)left_stride, (void)right, (void)block_size;
    (void)depth, (void)out, (void)out_stride;
}
#endif
