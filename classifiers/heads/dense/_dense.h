/* What the parts of _dense.c share: the networks, a batch as they see it, and one step's work. */
#ifndef FEATX_DENSE_H
#define FEATX_DENSE_H

#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define PANEL 32   /* hidden units that are worked on at a time; batches are padded to it, too */
#define SPAN 128   /* inputs whose gradients are made at a time */
#define N_PHASES 4
#define LAST_BIASES -1  /* the part of a network that is its last biases and its loss */

/* A network of one hidden layer, or of none, whose units are then the classes. Units come first:
 * unit u's weights lie at u * inputs_padded.
 * Weights, means and squares of gradients (Adam's moments) are laid out alike. */
typedef struct {
    ptrdiff_t n_units;   /* of the hidden layer; 0 without one */
    ptrdiff_t n_panels;
    int view;            /* which view of the batch it sees */
    int in_pairs;        /* multiply the units' layer in bfloat16 */
    float *weights, *means, *squares;
    ptrdiff_t bias, top, top_bias;  /* where those begin; the units' layer begins at 0.
                                        * The last two are of the layer after a hidden one. */
    double rate, decay;
    uint32_t silenced;   /* draws below it are */
    float kept_scale;
    uint64_t key;
    uint16_t *packed;    /* the units' layer in bfloat16, (n_panels * PANEL, n_inputs_padded) */
    float *values;       /* of hidden units, (n_panels * PANEL, n_rows_padded) */
    float *logits;       /* (n_classes_padded, n_rows_padded), then what the loss says of them */
    float *losses;       /* (n_rows_padded) */
    double loss;         /* summed over batches */
} Network;

/* A batch after dropout of the inputs. Pairs are two bfloat16 in one word, in blocks as tiles take
 * them. */
typedef struct {
    uint32_t silenced;
    float kept_scale;
    uint64_t key;
    int in_floats, in_pairs;
    float *by_row;            /* in strips, (n_inputs_padded / PANEL, n_rows_padded, PANEL) */
    float *by_input;          /* in strips, (n_rows_padded / PANEL, n_inputs_padded, PANEL) */
    uint32_t *pairs_of_inputs; /* (n_rows_padded / 16, n_inputs_padded / 2, 16) */
    uint32_t *pairs_of_rows;  /* (n_inputs_padded / 16, n_rows_padded / 2, 16) */
} View;

typedef struct {
    int network;
    ptrdiff_t part;
} Item;

typedef struct {
    Item *items;
    int n_items;
    atomic_int next;
} Phase;

typedef struct Run Run;
typedef struct Space Space;
typedef void Work(Run *, Space *);
/* out (32, 32) = left (32, depth) times right: two columns of blocks of 16, (depth / 2, 16) each.
 * Strides and the size of a block are in numbers. */
typedef void MultiplyPairs(const uint16_t *left, ptrdiff_t left_stride, const uint32_t *right,
                           ptrdiff_t block_size, ptrdiff_t depth, float *out,
                           ptrdiff_t out_stride);

struct Run {
    Work *work;
    MultiplyPairs *multiply_pairs;  /* NULL where the processor multiplies no bfloat16 */
    Network *networks;
    View *views;
    int n_networks, n_views, n_threads;
    ptrdiff_t n_inputs, n_classes, n_rows; /* of a batch */
    ptrdiff_t inputs_padded, rows_padded;
    const float *X, *weight;               /* weight may be NULL */
    const int64_t *rows, *y;               /* row of X and class, batch after batch */
    ptrdiff_t n_steps, first_step;
    float *corrections;                    /* Adam's, of means that began at zero; one a step */
    Phase phases[N_PHASES];
    atomic_int n_waiting, turn;
    atomic_int is_interrupted;  /* asks for an early end; all threads leave after one same phase */
    int is_over;
};

/* Memory of one thread. */
struct Space {
    float *lines;      /* (PANEL, inputs_padded) */
    uint32_t *words;   /* (PANEL, inputs_padded / 2) */
    float *signals;    /* (PANEL, rows_padded): the loss' derivatives by units before ReLU */
    uint16_t *halves;  /* the same in bfloat16 */
    float *gradient;   /* (PANEL, SPAN) */
    float *small;      /* (PANEL * n_classes) or (n_classes) */
};

#define INLINE static inline __attribute__((always_inline))

/* Widynski 2020, "Squares: a fast counter-based random number generator". */
INLINE uint32_t draw(uint64_t counter, uint64_t key) {
    uint64_t x = counter * key, y = x, z = y + key;
    x = x * x + y;
    x = x >> 32 | x << 32;
    x = x * x + z;
    x = x >> 32 | x << 32;
    x = x * x + y;
    x = x >> 32 | x << 32;
    return (uint32_t)((x * x + z) >> 32);
}

/* Round to bfloat16, to even; the result is in the upper half. */
INLINE uint32_t rounded(float value) {
    uint32_t bits;
    __builtin_memcpy(&bits, &value, 4);
    return (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
}

/* Units of a panel that are not padding. */
INLINE ptrdiff_t n_of_panel(const Run *run, const Network *net, ptrdiff_t panel) {
    ptrdiff_t n = (net->n_units ? net->n_units : run->n_classes) - panel * PANEL;
    return n < PANEL ? n : PANEL;
}

INLINE void wait_for_all(Run *run, int phase) {
    int turn = atomic_load(&run->turn);
    if (atomic_fetch_add(&run->n_waiting, 1) + 1 == run->n_threads) {
        if (atomic_load(&run->is_interrupted)) run->is_over = 1;
        atomic_store(&run->n_waiting, 0);
        atomic_store(&run->phases[phase].next, 0);
        atomic_store(&run->turn, turn + 1);
        return;
    }
    for (int n_looks = 0; atomic_load(&run->turn) == turn; n_looks++)
        if (n_looks > 4000) sched_yield();
}
#endif
