/* Sequential minimal optimisation (SMO) of an SVM for two classes, over a kernel matrix in memory.
 *
 * Contract: `solve` minimises libsvm's dual problem, 1/2 a' Q a - sum(a) with 0 <= a <= bound and
 * y' a = 0, until the two largest violations differ by less than `tol`, in at most `max_iter` steps.
 * It chooses two samples a step as libsvm does (Fan, Chen & Lin 2005, "Working set selection using
 * second order information"), without shrinking. Kernels are float32, as in libsvm's cache; gradients
 * and multipliers are float64. It runs without the interpreter lock, and looks every 100 ms for
 * signals and every WATCHED_STEPS for a byte that another thread may set; both end it early.
 *
 * For sample k with y = 1 (first class) or -1, F[k] = y - sum_l K[k,l] y[l] a[l]. A step raises
 * y a of the sample with the largest F among those that may rise, and lowers that of one that may
 * fall. A sample whose bound is 0 may do neither.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdlib.h>
#include <time.h>

#define BLOCK 256
/* Far beyond any F: added to those of samples that may not be chosen. */
#define NEVER 1e30
#define LEAST_CURVATURE 1e-12f
#define WATCHED_STEPS 64
#define SIGNAL_SECONDS 0.1

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define HAS_VECTOR_CODE 1
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif

/* A part of F that lies beside one part of a kernel row. */
typedef struct {
    Py_ssize_t n;
    double *f;
    const double *up, *low;  /* 0, or NEVER (to be subtracted, added) */
} Part;

typedef struct {
    double best;
    Py_ssize_t index;
} Choice;

typedef void Step(const Part *, const float *, const float *, double, double, Choice *);
typedef void Choose(const Part *, const float *, double, Choice *, double *);

/* F -= by_i K[i] + by_j K[j]; find the largest F that may rise. */
INLINE void step_code(const Part *part, const float *row_i, const float *row_j, double by_i,
                      double by_j, Choice *choice) {
    for (Py_ssize_t start = 0; start < part->n; start += BLOCK) {
        Py_ssize_t stop = start + BLOCK < part->n ? start + BLOCK : part->n;
        double *f = part->f, most = -2 * NEVER;
        const double *up = part->up;
        for (Py_ssize_t k = start; k < stop; k++) {
            f[k] -= by_i * row_i[k] + by_j * row_j[k];
            double value = f[k] - up[k];
            most = value > most ? value : most;
        }
        if (most > choice->best) {
            choice->best = most;
            for (Py_ssize_t k = start; k < stop; k++)
                if (f[k] - up[k] == most) choice->index = k;
        }
    }
}

/* Find the sample that may fall whose step with i gains most, and the least F of those. */
INLINE void choose_code(const Part *part, const float *row_i, double top, Choice *choice,
                        double *least) {
    float gains[BLOCK];
    for (Py_ssize_t start = 0; start < part->n; start += BLOCK) {
        Py_ssize_t n = part->n - start < BLOCK ? part->n - start : BLOCK;
        const double *f = part->f + start, *low = part->low + start;
        const float *row = row_i + start;
        float most = 0;
        double lowest = *least;
        for (Py_ssize_t k = 0; k < n; k++) {
            double value = f[k] + low[k];
            lowest = value < lowest ? value : lowest;
            float ahead = (float)(top - value), curvature = 2 - 2 * row[k];
            ahead = ahead > 0 ? ahead : 0;
            curvature = curvature > LEAST_CURVATURE ? curvature : LEAST_CURVATURE;
            float gain = ahead * ahead / curvature;
            gains[k] = gain;
            most = gain > most ? gain : most;
        }
        *least = lowest;
        if (most > choice->best) {
            choice->best = most;
            for (Py_ssize_t k = 0; k < n; k++)
                if (gains[k] == most) choice->index = start + k;
        }
    }
}

static void step_plain(const Part *part, const float *row_i, const float *row_j, double by_i,
                       double by_j, Choice *choice) {
    step_code(part, row_i, row_j, by_i, by_j, choice);
}

static void choose_plain(const Part *part, const float *row_i, double top, Choice *choice,
                         double *least) {
    choose_code(part, row_i, top, choice, least);
}

#ifdef HAS_VECTOR_CODE
#define AVX2 __attribute__((target("avx2,fma")))
#define AVX512 __attribute__((target("avx2,fma,avx512f,avx512dq,avx512vl,avx512bw")))

AVX2 static void step_avx2(const Part *part, const float *row_i, const float *row_j, double by_i,
                           double by_j, Choice *choice) {
    step_code(part, row_i, row_j, by_i, by_j, choice);
}

AVX2 static void choose_avx2(const Part *part, const float *row_i, double top, Choice *choice,
                             double *least) {
    choose_code(part, row_i, top, choice, least);
}

AVX512 static void step_avx512(const Part *part, const float *row_i, const float *row_j,
                               double by_i, double by_j, Choice *choice) {
    step_code(part, row_i, row_j, by_i, by_j, choice);
}

AVX512 static void choose_avx512(const Part *part, const float *row_i, double top, Choice *choice,
                                 double *least) {
    choose_code(part, row_i, top, choice, least);
}
#endif

static void best_code(Step **step, Choose **choose) {
    *step = step_plain;
    *choose = choose_plain;
#ifdef HAS_VECTOR_CODE
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        *step = step_avx2;
        *choose = choose_avx2;
        if (__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
            __builtin_cpu_supports("avx512bw")) {
            *step = step_avx512;
            *choose = choose_avx512;
        }
    }
#endif
}

/* Samples of the first class, then those of the second; kernel blocks among them. */
typedef struct {
    Py_ssize_t n[2];
    const float *block[2][2];
    const double *bound;
    double *alpha, *f, *up, *low;
} Problem;

static const float *kernel_row(const Problem *problem, Py_ssize_t i, int part) {
    int row_class = i >= problem->n[0];
    if (row_class) i -= problem->n[0];
    return problem->block[row_class][part] + i * problem->n[part];
}

static Part part_of(const Problem *problem, int part) {
    Py_ssize_t start = part ? problem->n[0] : 0;
    Part result = {problem->n[part], problem->f + start, problem->up + start, problem->low + start};
    return result;
}

static double sign(const Problem *problem, Py_ssize_t i) { return i < problem->n[0] ? 1 : -1; }

/* Which way a sample's y a may go. */
static void mark(const Problem *problem, Py_ssize_t i) {
    int above = problem->alpha[i] > 0, below = problem->alpha[i] < problem->bound[i];
    int rises = i < problem->n[0] ? below : above, falls = i < problem->n[0] ? above : below;
    problem->up[i] = rises ? 0 : NEVER;
    problem->low[i] = falls ? 0 : NEVER;
}

/* How far y a of a sample may move. */
static double room(const Problem *problem, Py_ssize_t i, int rises) {
    int grows = (i < problem->n[0]) == rises;
    return grows ? problem->bound[i] - problem->alpha[i] : problem->alpha[i];
}

static void move(const Problem *problem, Py_ssize_t i, int rises, double by, int to_the_end) {
    int grows = (i < problem->n[0]) == rises;
    double end = grows ? problem->bound[i] : 0;
    problem->alpha[i] = to_the_end ? end : problem->alpha[i] + (grows ? by : -by);
    mark(problem, i);
}

/* Mean F of the samples between their bounds, or the middle of what the others leave open. */
static double intercept(const Problem *problem, double top, double least) {
    Py_ssize_t n = problem->n[0] + problem->n[1], n_free = 0;
    double sum = 0;
    for (Py_ssize_t i = 0; i < n; i++)
        if (problem->alpha[i] > 0 && problem->alpha[i] < problem->bound[i]) {
            sum += problem->f[i];
            n_free++;
        }
    return n_free ? sum / n_free : (top + least) / 2;
}

static void start_at_zero(const Problem *problem) {
    for (Py_ssize_t i = 0; i < problem->n[0] + problem->n[1]; i++) {
        problem->alpha[i] = 0;
        problem->f[i] = sign(problem, i);
        mark(problem, i);
    }
}

/* Who may end the loop early: another thread by its byte, or the user by a signal. */
typedef struct {
    PyThreadState *thread;
    const volatile char *stop;
    double next;
} Watch;

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int is_stopped(Watch *watch) {
    if (*watch->stop) return 1;
    double now = seconds();
    if (now < watch->next) return 0;
    watch->next = now + SIGNAL_SECONDS;
    PyEval_RestoreThread(watch->thread);
    int is_signalled = PyErr_CheckSignals();
    watch->thread = PyEval_SaveThread();
    return is_signalled != 0;
}

typedef enum { CONVERGED, OUT_OF_STEPS, STOPPED } Outcome;

/* Optimise from zero; write the steps taken and the intercept. */
static Outcome optimise(const Problem *problem, double tol, Watch *watch, long long *n_steps,
                        double *offset) {
    const long long max_iter = *n_steps;
    Step *step;
    Choose *choose;
    best_code(&step, &choose);
    Part parts[2] = {part_of(problem, 0), part_of(problem, 1)};
    Py_ssize_t i = 0, j = 0;
    double by_i = 0, by_j = 0;
    start_at_zero(problem);
    for (long long n_iter = 0;; n_iter++) {
        Choice top = {-NEVER / 2, -1}, fall = {0, -1};
        double least = NEVER / 2;
        for (int part = 0; part < 2; part++) {
            double before = top.best;
            step(&parts[part], kernel_row(problem, i, part), kernel_row(problem, j, part), by_i,
                 by_j, &top);
            if (part && top.best > before) top.index += problem->n[0];
        }
        Py_ssize_t chosen = top.index;
        for (int part = 0; part < 2 && chosen >= 0; part++) {
            double before = fall.best;
            choose(&parts[part], kernel_row(problem, chosen, part), top.best, &fall, &least);
            if (part && fall.best > before) fall.index += problem->n[0];
        }
        int is_done = chosen < 0 || fall.index < 0 || top.best - least < tol;
        if (is_done || n_iter == max_iter) {
            *offset = intercept(problem, top.best, least);
            *n_steps = n_iter;
            return is_done ? CONVERGED : OUT_OF_STEPS;
        }
        if (n_iter % WATCHED_STEPS == 0 && is_stopped(watch)) return STOPPED;
        i = chosen;
        j = fall.index;
        double curvature = 2 - 2 * kernel_row(problem, i, j >= problem->n[0])[
                                       j >= problem->n[0] ? j - problem->n[0] : j];
        if (curvature < LEAST_CURVATURE) curvature = LEAST_CURVATURE;
        double by = (problem->f[i] - problem->f[j]) / curvature;
        double room_i = room(problem, i, 1), room_j = room(problem, j, 0);
        double most = room_i < room_j ? room_i : room_j;
        int is_cut = by >= most;
        if (is_cut) by = most;
        move(problem, i, 1, by, is_cut && room_i == most);
        move(problem, j, 0, by, is_cut && room_j == most);
        by_i = by;
        by_j = -by;
    }
}

static int fits(const Py_buffer *blocks, const Py_buffer *bound, const Py_buffer *alpha,
                const Py_ssize_t *n) {
    Py_ssize_t whole = (n[0] + n[1]) * (Py_ssize_t)sizeof(double);
    if (n[0] < 1 || n[1] < 1 || bound->len != whole || alpha->len != whole) return 0;
    for (int i = 0; i < 4; i++)
        if (blocks[i].len != n[i / 2] * n[i % 2] * (Py_ssize_t)sizeof(float)) return 0;
    return 1;
}

static PyObject *solve(PyObject *Py_UNUSED(module), PyObject *args) {
    Py_buffer blocks[4], bound, alpha, stop;
    Py_ssize_t n[2];
    double tol, offset = 0;
    long long n_steps;
    Outcome outcome = STOPPED;
    if (!PyArg_ParseTuple(args, "(y*y*y*y*)(nn)y*w*dLy*", &blocks[0], &blocks[1], &blocks[2],
                          &blocks[3], &n[0], &n[1], &bound, &alpha, &tol, &n_steps, &stop))
        return NULL;
    int valid = fits(blocks, &bound, &alpha, n) && n_steps >= 0 && stop.len == 1;
    double *work = valid ? malloc(3 * (n[0] + n[1]) * sizeof(double)) : NULL;
    if (work) {
        Py_ssize_t whole = n[0] + n[1];
        Problem problem = {
            {n[0], n[1]},
            {{blocks[0].buf, blocks[1].buf}, {blocks[2].buf, blocks[3].buf}},
            bound.buf, alpha.buf, work, work + whole, work + 2 * whole,
        };
        Watch watch = {NULL, stop.buf, seconds() + SIGNAL_SECONDS};
        watch.thread = PyEval_SaveThread();
        outcome = optimise(&problem, tol, &watch, &n_steps, &offset);
        PyEval_RestoreThread(watch.thread);
        free(work);
    }
    for (int i = 0; i < 4; i++) PyBuffer_Release(&blocks[i]);
    PyBuffer_Release(&bound);
    PyBuffer_Release(&alpha);
    PyBuffer_Release(&stop);
    if (!valid) return PyErr_Format(PyExc_ValueError, "blocks, bounds and sizes do not fit");
    if (!work) return PyErr_NoMemory();
    if (outcome == STOPPED) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_RuntimeError, "training was stopped");
        return NULL;
    }
    return Py_BuildValue("LNd", n_steps, PyBool_FromLong(outcome == CONVERGED), offset);
}

static PyMethodDef methods[] = {
    {"solve", solve, METH_VARARGS,
     "solve((aa, ab, ba, bb), (n_a, n_b), bound, alpha, tol, max_iter, stop) -> "
     "(n_iter, converged, intercept)"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_smo",
    .m_doc = "Sequential minimal optimisation of an SVM for two classes.",
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__smo(void) { return PyModuleDef_Init(&definition); }
