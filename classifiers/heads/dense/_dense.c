/* Dense networks of at most one hidden layer, trained jointly: a batch is read and laid out once,
 * and every network learns from it.
 *
 * Contract: `learn` makes `n_steps` steps of AdamW (Loshchilov & Hutter 2019) with the softmax's
 * cross entropy, one for each batch, and returns each network's summed losses. Results equal those
 * of Keras' layers and optimiser but for rounding. It runs without the interpreter lock in threads
 * of its own and looks for signals every 100 ms; after one it ends early, in the midst of a batch.
 *
 * One step has four phases: lay out the batch, hidden layers, logits and losses, gradients with
 * AdamW's step. Within a phase, threads take the next item (a network's panel of hidden units, or
 * some rows' logits). The sums of an item are in one order, whichever thread takes it and whichever
 * other networks there are: a network trains to the same bits alone, jointly, and on any number of
 * threads. Gradients of hidden layers stay in the cache: the step is made where they arise.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "_dense.h"
#include "_dense_tiles.h"

#define TARGET
#define LANES 4
#define GROUP 4
#define NAME(x) x##_plain
#include "_dense_work.h"
#undef TARGET
#undef LANES
#undef GROUP
#undef NAME

#if defined(__x86_64__)
#define HAS_VECTOR_CODE 1
#define TARGET __attribute__((target("avx2,fma")))
#define LANES 8
#define GROUP 4
#define NAME(x) x##_avx2
#include "_dense_work.h"
#undef TARGET
#undef LANES
#undef GROUP
#undef NAME

#define TARGET __attribute__((target("avx2,fma,avx512f,avx512dq,avx512vl,avx512bw")))
#define LANES 16
#define GROUP 8
#define NAME(x) x##_avx512
#include "_dense_work.h"
#endif

#define MAX_THREADS 64
#define ALIGNMENT 64
#define STACK_BYTES (1 << 19)
#define SIGNAL_NANOSECONDS 100000000

/* The best code for this processor, or the code that is named; NULL where it cannot run here. */
static Work *find_units(const char *wanted) {
#ifdef HAS_VECTOR_CODE
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && (!*wanted || !strcmp(wanted, "avx512")))
        return work_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
        (!*wanted || !strcmp(wanted, "avx2")))
        return work_avx2;
#endif
    return !*wanted || !strcmp(wanted, "plain") ? work_plain : NULL;
}

static ptrdiff_t padded(ptrdiff_t n) { return (n + PANEL - 1) / PANEL * PANEL; }

/* Memory that is set aside piece by piece: first counted (base is NULL), then handed out. */
typedef struct {
    char *base;
    size_t used;
} Memory;

static void *take(Memory *memory, size_t n_bytes) {
    char *start = memory->base ? memory->base + memory->used : NULL;
    memory->used += (n_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return start;
}

static void take_views(Run *run, Memory *memory) {
    size_t size = run->inputs_padded * run->rows_padded;
    for (View *view = run->views; view < run->views + run->n_views; view++) {
        view->by_row = take(memory, view->in_floats ? size * 4 : 0);
        view->by_input = take(memory, view->in_floats ? size * 4 : 0);
        view->pairs_of_inputs = take(memory, view->in_pairs ? size * 2 : 0);
        view->pairs_of_rows = take(memory, view->in_pairs ? size * 2 : 0);
    }
}

static void take_networks(Run *run, Memory *memory) {
    for (Network *net = run->networks; net < run->networks + run->n_networks; net++) {
        size_t units = net->n_panels * PANEL;
        net->packed = take(memory, net->in_pairs ? units * run->inputs_padded * 2 : 0);
        net->values = take(memory, (net->n_units ? units : 0) * run->rows_padded * 4);
        net->logits = take(memory, padded(run->n_classes) * run->rows_padded * 4);
        net->losses = take(memory, run->rows_padded * 4);
    }
}

static void take_spaces(Run *run, Space *spaces, Memory *memory) {
    for (Space *space = spaces; space < spaces + run->n_threads; space++) {
        space->lines = take(memory, PANEL * run->inputs_padded * 4);
        space->words = take(memory, PANEL * run->inputs_padded * 2);
        space->signals = take(memory, PANEL * run->rows_padded * 4);
        space->halves = take(memory, PANEL * run->rows_padded * 2);
        space->gradient = take(memory, PANEL * SPAN * 4);
        space->small = take(memory, PANEL * run->n_classes * 4);
    }
}

/* The items of each phase; there are never more than `most` in one. */
static void take_items(Run *run, Memory *memory) {
    ptrdiff_t blocks = run->rows_padded / PANEL;
    size_t most = (run->n_views + run->n_networks) * blocks + run->n_networks;
    for (int i = 0; i < run->n_networks; i++) most += run->networks[i].n_panels;
    for (int phase = 0; phase < N_PHASES; phase++) {
        Phase *current = run->phases + phase;
        current->items = take(memory, most * sizeof(Item));
        if (!memory->base) continue;
        for (int i = 0; i < (phase ? run->n_networks : run->n_views); i++) {
            const Network *net = run->networks + i;
            ptrdiff_t n = phase == 0 || phase == 2 ? blocks : net->n_panels;
            for (ptrdiff_t part = phase == 3 ? LAST_BIASES : 0; part < n; part++)
                current->items[current->n_items++] = (Item){i, part};
        }
    }
}

static void take_all(Run *run, Space *spaces, Memory *memory) {
    run->corrections = take(memory, run->n_steps * 4);
    take_views(run, memory);
    take_networks(run, memory);
    take_spaces(run, spaces, memory);
    take_items(run, memory);
}

static void prepare(Run *run) {
    for (ptrdiff_t i = 0; i < run->n_steps; i++) {
        double n = (double)(run->first_step + i + 1);
        run->corrections[i] = (float)(sqrt(1 - pow(0.999, n)) / (1 - pow(0.9, n)));
    }
    for (Network *net = run->networks; net < run->networks + run->n_networks; net++) {
        ptrdiff_t size = net->n_panels * PANEL * run->inputs_padded;
        for (ptrdiff_t i = 0; net->in_pairs && i < size; i++)
            net->packed[i] = rounded(net->weights[i]) >> 16;
    }
}

/* Threads wait at the gate until all have started; the caller waits until none runs. */
typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t is_done;
    int n_running, in_tiles;
    Run *run;
} Gate;

typedef struct {
    Gate *gate;
    Space *space;
} Share;

static void *do_share(void *argument) {
    Share *share = argument;
    Gate *gate = share->gate;
    pthread_mutex_lock(&gate->lock);
    pthread_mutex_unlock(&gate->lock);
    if (gate->in_tiles) begin_tiles();
    gate->run->work(gate->run, share->space);
    if (gate->in_tiles) end_tiles();
    pthread_mutex_lock(&gate->lock);
    gate->n_running--;
    pthread_cond_signal(&gate->is_done);
    pthread_mutex_unlock(&gate->lock);
    return NULL;
}

/* Wait for all threads; every 100 ms, look for signals. Called with the gate locked. */
static void wait_for_threads(Gate *gate, PyThreadState **caller) {
    while (gate->n_running) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += SIGNAL_NANOSECONDS;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        if (!pthread_cond_timedwait(&gate->is_done, &gate->lock, &until)) continue;
        pthread_mutex_unlock(&gate->lock);
        PyEval_RestoreThread(*caller);
        if (!gate->run->is_interrupted && PyErr_CheckSignals()) gate->run->is_interrupted = 1;
        *caller = PyEval_SaveThread();
        pthread_mutex_lock(&gate->lock);
    }
}

/* Return how many threads there were: 0 if the system gave none. */
static int run_threads(Run *run, Space *spaces, int in_tiles, PyThreadState **caller) {
    pthread_t threads[MAX_THREADS];
    Share shares[MAX_THREADS];
    Gate gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, in_tiles, run};
    pthread_attr_t attributes;
    int n = 0;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_mutex_lock(&gate.lock);
    for (; n < run->n_threads; n++) {
        shares[n] = (Share){&gate, spaces + n};
        if (pthread_create(&threads[n], &attributes, do_share, &shares[n])) break;
    }
    run->n_threads = gate.n_running = n;
    wait_for_threads(&gate, caller);
    pthread_mutex_unlock(&gate.lock);
    pthread_attr_destroy(&attributes);
    for (int i = 0; i < n; i++) pthread_join(threads[i], NULL);
    return n;
}

/* Return 1 where all went well, 0 without memory, -1 without threads. */
static int train(Run *run, PyThreadState **caller) {
    Space spaces[MAX_THREADS];
    Memory memory = {NULL, 0};
    int in_tiles = run->multiply_pairs == tile_product;
    take_all(run, spaces, &memory);
    size_t n_bytes = memory.used;
    void *all = malloc(n_bytes + ALIGNMENT);
    if (!all) return 0;
    memory = (Memory){(char *)(((uintptr_t)all + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT), 0};
    take_all(run, spaces, &memory);
    prepare(run);
    int n = run_threads(run, spaces, in_tiles, caller);
    free(all);
    return n ? 1 : -1;
}

static uint32_t silenced(double share) { return (uint32_t)(share * 4294967296.0); }

/* Read ((dropout, key), ...). */
static int read_views(PyObject *list, Run *run) {
    for (int i = 0; i < run->n_views; i++) {
        View *view = run->views + i;
        double dropout;
        unsigned long long key;
        PyObject *item = PySequence_GetItem(list, i);
        int is_read = item && PyArg_ParseTuple(item, "dK", &dropout, &key);
        Py_XDECREF(item);
        if (!is_read) return 0;
        *view = (View){.silenced = silenced(dropout), .kept_scale = (float)(1 / (1 - dropout)),
                       .key = key | 1};
    }
    return 1;
}

/* Say where a network's arrays begin in its state, (3, size), and whether they fit. */
static int lay_out(const Run *run, Network *net, const Py_buffer *state) {
    if (net->n_units < 0 || net->view < 0 || net->view >= run->n_views) return 0;
    ptrdiff_t units = padded(net->n_units ? net->n_units : run->n_classes);
    net->n_panels = units / PANEL;
    net->bias = units * run->inputs_padded;
    net->top = net->bias + units;
    net->top_bias = net->top + net->n_units * run->n_classes;
    ptrdiff_t size = net->n_units ? net->top_bias + run->n_classes : net->top;
    if (state->len != 3 * size * (ptrdiff_t)sizeof(float)) return 0;
    net->weights = state->buf;
    net->means = net->weights + size;
    net->squares = net->means + size;
    View *view = run->views + net->view;
    if (net->in_pairs)
        view->in_pairs = 1;
    else
        view->in_floats = 1;
    return 1;
}

/* Read ((state, n_units, view, in_pairs, rate, decay, dropout, key), ...); hold the states. */
static int read_networks(PyObject *list, Run *run, Py_buffer *states, int *n_held) {
    for (int i = 0; i < run->n_networks; i++) {
        Network *net = run->networks + i;
        double dropout;
        unsigned long long key;
        *net = (Network){0};
        PyObject *item = PySequence_GetItem(list, i);
        int is_read = item && PyArg_ParseTuple(item, "w*nipdddK", &states[i], &net->n_units,
                                             &net->view, &net->in_pairs, &net->rate, &net->decay,
                                             &dropout, &key);
        Py_XDECREF(item);
        if (!is_read) return 0;
        ++*n_held;
        net->silenced = silenced(dropout);
        net->kept_scale = (float)(1 / (1 - dropout));
        net->key = key | 1;
        net->in_pairs = net->in_pairs && run->multiply_pairs;
        if (!lay_out(run, net, &states[i])) {
            PyErr_SetString(PyExc_ValueError, "a network's state does not fit its sizes");
            return 0;
        }
    }
    return 1;
}

/* Say whether rows and classes lie where there are some. */
static int check_data(Run *run, const Py_buffer *data) {
    ptrdiff_t n = run->n_steps * run->n_rows, n_bytes = n * (ptrdiff_t)sizeof(int64_t);
    ptrdiff_t height = data[0].len / (run->n_inputs * (ptrdiff_t)sizeof(float));
    if (data[1].len != n_bytes || data[2].len != n_bytes) return 0;
    if (data[3].len && data[3].len != n * (ptrdiff_t)sizeof(float)) return 0;
    run->X = data[0].buf;
    run->rows = data[1].buf;
    run->y = data[2].buf;
    run->weight = data[3].len ? data[3].buf : NULL;
    for (ptrdiff_t i = 0; i < n; i++)
        if (run->rows[i] < 0 || run->rows[i] >= height || run->y[i] < 0 ||
            run->y[i] >= run->n_classes)
            return 0;
    return 1;
}

static PyObject *learn_held(PyObject *networks, PyObject *views, Run *run, const Py_buffer *data,
                            Py_buffer *states, int *n_held) {
    if (run->n_inputs < 1 || run->n_classes < 1 || run->n_rows < 1 || run->n_steps < 0 ||
        run->n_threads < 1 || !run->work || !check_data(run, data))
        return PyErr_Format(PyExc_ValueError,
                            "samples, classes and sizes do not fit, or no such units");
    run->inputs_padded = padded(run->n_inputs);
    run->rows_padded = padded(run->n_rows);
    int done;
    run->multiply_pairs = may_use_tiles() ? tile_product : find_vector_product();
    if (!read_views(views, run) || !read_networks(networks, run, states, n_held))
        return NULL;
    PyThreadState *caller = PyEval_SaveThread();
    done = train(run, &caller);
    PyEval_RestoreThread(caller);
    if (run->is_interrupted) return NULL;
    if (!done) return PyErr_NoMemory();
    if (done < 0) return PyErr_Format(PyExc_RuntimeError, "the system starts no more threads");
    PyObject *losses = PyList_New(run->n_networks);
    for (int i = 0; losses && i < run->n_networks; i++)
        PyList_SetItem(losses, i, PyFloat_FromDouble(run->networks[i].loss));
    return losses;
}

static PyObject *learn(PyObject *Py_UNUSED(module), PyObject *args) {
    PyObject *networks, *views, *losses = NULL;
    Py_buffer data[4];
    Run run = {0};
    const char *units = "";
    int n_held = 0;
    if (!PyArg_ParseTuple(args, "OO(y*y*y*y*)(nnnnn)i|s", &networks, &views, &data[0], &data[1],
                          &data[2], &data[3], &run.n_inputs, &run.n_classes, &run.n_rows,
                          &run.n_steps, &run.first_step, &run.n_threads, &units))
        return NULL;
    run.work = find_units(units);
    run.n_threads = run.n_threads < MAX_THREADS ? run.n_threads : MAX_THREADS;
    run.n_networks = (int)PySequence_Size(networks);
    run.n_views = (int)PySequence_Size(views);
    if (run.n_networks >= 0 && run.n_views >= 0) {
        run.networks = calloc(run.n_networks + 1, sizeof(Network));
        run.views = calloc(run.n_views + 1, sizeof(View));
        Py_buffer *states = calloc(run.n_networks + 1, sizeof(Py_buffer));
        if (run.networks && run.views && states)
            losses = learn_held(networks, views, &run, data, states, &n_held);
        else
            PyErr_NoMemory();
        for (int i = 0; i < n_held; i++) PyBuffer_Release(&states[i]);
        free(states);
        free(run.views);
        free(run.networks);
    }
    for (int i = 0; i < 4; i++) PyBuffer_Release(&data[i]);
    return losses;
}

static PyObject *multiplies_bfloat16(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(args)) {
    return PyBool_FromLong(may_use_tiles() || find_vector_product());
}

static PyMethodDef methods[] = {
    {"learn", learn, METH_VARARGS,
     "learn(networks, views, (X, rows, y, weight), (n_inputs, n_classes, n_rows, n_steps, "
     "first_step), n_threads, units='') -> losses"},
    {"multiplies_bfloat16", multiplies_bfloat16, METH_NOARGS, "multiplies_bfloat16() -> bool"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_dense",
    .m_doc = "Dense networks of at most one hidden layer, trained jointly.",
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__dense(void) { return PyModuleDef_Init(&definition); }
