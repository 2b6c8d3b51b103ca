/* One thread's share of the work, compiled once for each instruction set.
 *
 * Defined outside: NAME(x), a name of its own for each; TARGET, the instruction set; LANES, floats
 * in a vector; GROUP, units whose sums are kept in registers.
 */
typedef float NAME(vector) __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
#define VECTOR NAME(vector)
#define BETA_1 0.9f
#define BETA_2 0.999f
#define EPSILON 1e-7f

/* AdamW's step (Loshchilov & Hutter 2019) on n numbers from `at` on. */
TARGET static void NAME(learn)(const Network *net, float correction, ptrdiff_t at,
                               const float *gradient, ptrdiff_t n, uint16_t *packed) {
    float *restrict weights = net->weights + at, *restrict means = net->means + at;
    float *restrict squares = net->squares + at;
    const float step = net->rate * correction, shrink = 1 - net->rate * net->decay;
    for (ptrdiff_t i = 0; i < n; i++) {
        float g = gradient[i];
        float mean = means[i] + (g - means[i]) * (1 - BETA_1);
        float square = squares[i] + (g * g - squares[i]) * (1 - BETA_2);
        means[i] = mean;
        squares[i] = square;
        weights[i] = weights[i] * shrink - mean * step / (__builtin_sqrtf(square) + EPSILON);
    }
    if (packed)
        for (ptrdiff_t i = 0; i < n; i++) packed[i] = rounded(weights[i]) >> 16;
}

/* Silence some of n values, draws `first` and on, and scale the others up. */
TARGET static void NAME(drop)(float *restrict values, ptrdiff_t n, uint64_t first, uint64_t key,
                              uint32_t silenced, float kept_scale) {
    for (ptrdiff_t i = 0; silenced && i < n; i++)
        values[i] *= draw(first + i, key) < silenced ? 0 : kept_scale;
}

/* Rows of the batch after a view's dropout; padding is zero. */
TARGET static void NAME(gather)(Run *run, View *view, ptrdiff_t step, ptrdiff_t start,
                                float *lines) {
    const ptrdiff_t width = run->inputs_padded;
    const int64_t *rows = run->rows + step * run->n_rows;
    for (ptrdiff_t r = 0; r < PANEL; r++) {
        float *line = lines + r * width;
        ptrdiff_t n = start + r < run->n_rows ? run->n_inputs : 0;
        const float *from = n ? run->X + rows[start + r] * run->n_inputs : NULL;
        for (ptrdiff_t i = 0; i < n; i++) line[i] = from[i];
        for (ptrdiff_t i = n; i < width; i++) line[i] = 0;
        uint64_t first = ((run->first_step + step) * run->rows_padded + start + r) * width;
        NAME(drop)(line, n, first, view->key, view->silenced, view->kept_scale);
    }
}

/* Copy PANEL rows into both layouts of float32. */
TARGET static void NAME(lay_in_strips)(View *view, const float *lines, ptrdiff_t start,
                                       ptrdiff_t width, ptrdiff_t height) {
    for (ptrdiff_t i = 0; i < width; i += PANEL)
        for (ptrdiff_t r = 0; r < PANEL; r++)
            for (ptrdiff_t j = 0; j < PANEL; j++)
                view->by_row[i * height + (start + r) * PANEL + j] = lines[r * width + i + j];
    float *strip = view->by_input + start * width;
    for (ptrdiff_t i = 0; i < width; i++)
        for (ptrdiff_t r = 0; r < PANEL; r++) strip[i * PANEL + r] = lines[r * width + i];
}

/* Phase 0: a view's rows start ... start + PANEL. */
TARGET static void NAME(see)(Run *run, View *view, ptrdiff_t step, ptrdiff_t start, Space *space) {
    const ptrdiff_t width = run->inputs_padded, height = run->rows_padded;
    float *lines = space->lines;
    NAME(gather)(run, view, step, start, lines);
    if (view->in_floats) NAME(lay_in_strips)(view, lines, start, width, height);
    if (!view->in_pairs) return;
    for (ptrdiff_t i = 0; i < width; i += 16)
        for (ptrdiff_t r = 0; r < PANEL; r += 2) {
            uint32_t *out = view->pairs_of_rows + ((i / 16) * (height / 2) + (start + r) / 2) * 16;
            const float *even = lines + r * width + i, *odd = even + width;
            for (ptrdiff_t j = 0; j < 16; j++) out[j] = rounded(even[j]) >> 16 | rounded(odd[j]);
        }
    uint32_t *words = space->words;
    for (ptrdiff_t i = 0; i < PANEL * width / 2; i++)
        words[i] = rounded(lines[2 * i]) >> 16 | rounded(lines[2 * i + 1]);
    for (ptrdiff_t r = 0; r < PANEL; r += 16) {
        uint32_t *out = view->pairs_of_inputs + (start + r) / 16 * (width / 2) * 16;
        for (ptrdiff_t i = 0; i < width / 2; i++)
            for (ptrdiff_t j = 0; j < 16; j++) out[i * 16 + j] = words[(r + j) * (width / 2) + i];
    }
}

/* out (n_units, n_columns) = left (n_units, depth) times right, which lies in strips of PANEL
 * columns, (depth, PANEL) each. Units are rounded up to a GROUP. */
TARGET static void NAME(multiply)(const float *left, ptrdiff_t left_stride, const float *right,
                                  ptrdiff_t depth, ptrdiff_t n_units, ptrdiff_t n_columns,
                                  float *out, ptrdiff_t out_stride) {
    for (ptrdiff_t column = 0; column < n_columns; column += 2 * LANES)
        for (ptrdiff_t u = 0; u < n_units; u += GROUP) {
            VECTOR sums[GROUP][2] = {{{0}}};
            const float *strip = right + column / PANEL * PANEL * depth + column % PANEL;
            for (ptrdiff_t k = 0; k < depth; k++) {
                const float *line = strip + k * PANEL;
                VECTOR first = *(const VECTOR *)line, second = *(const VECTOR *)(line + LANES);
                for (int j = 0; j < GROUP; j++) {
                    float by = left[(u + j) * left_stride + k];
                    sums[j][0] += by * first;
                    sums[j][1] += by * second;
                }
            }
            for (int j = 0; j < GROUP; j++) {
                float *target = out + (u + j) * out_stride + column;
                *(VECTOR *)target = sums[j][0];
                *(VECTOR *)(target + LANES) = sums[j][1];
            }
        }
}

/* Phase 1: the values of a panel of units for each row. Without a hidden layer the units are the
 * classes, and their values the logits. */
TARGET static void NAME(compute_panel)(Run *run, Network *net, ptrdiff_t step, ptrdiff_t panel) {
    const ptrdiff_t width = run->inputs_padded, height = run->rows_padded, unit = panel * PANEL;
    const View *view = run->views + net->view;
    float *values = (net->n_units ? net->values : net->logits) + unit * height;
    if (net->in_pairs)
        for (ptrdiff_t r = 0; r < height; r += 32)
            run->multiply_pairs(net->packed + unit * width, width,
                                view->pairs_of_inputs + r / 16 * (width / 2) * 16, width / 2 * 16,
                                width, values + r, height);
    else
        NAME(multiply)(net->weights + unit * width, width, view->by_input, width,
                       n_of_panel(run, net, panel), height, values, height);
    uint64_t first = (run->first_step + step) * net->n_panels * PANEL * height + unit * height;
    for (ptrdiff_t u = 0; u < PANEL; u++) {
        float bias = net->weights[net->bias + unit + u], *line = values + u * height;
        for (ptrdiff_t r = 0; r < height; r++) line[r] += bias;
        if (!net->n_units) continue;
        for (ptrdiff_t r = 0; r < height; r++) line[r] = line[r] > 0 ? line[r] : 0;
        NAME(drop)(line, height, first + u * height, net->key, net->silenced, net->kept_scale);
    }
}

/* Logits of n_classes from `k` on for PANEL rows. */
INLINE TARGET void NAME(sum_up)(const Run *run, Network *net, ptrdiff_t start, ptrdiff_t k,
                                const int n_classes) {
    const ptrdiff_t height = run->rows_padded;
    for (ptrdiff_t r = start; r < start + PANEL; r += 2 * LANES) {
        VECTOR sums[8][2] = {{{0}}};
        const float *top = net->weights + net->top + k;
        for (ptrdiff_t u = 0; u < net->n_units; u++, top += run->n_classes) {
            const float *line = net->values + u * height + r;
            VECTOR first = *(const VECTOR *)line, second = *(const VECTOR *)(line + LANES);
            for (int j = 0; j < n_classes; j++) {
                sums[j][0] += top[j] * first;
                sums[j][1] += top[j] * second;
            }
        }
        for (int j = 0; j < n_classes; j++) {
            float bias = net->weights[net->top_bias + k + j];
            *(VECTOR *)(net->logits + (k + j) * height + r) = sums[j][0] + bias;
            *(VECTOR *)(net->logits + (k + j) * height + r + LANES) = sums[j][1] + bias;
        }
    }
}

/* exp(x) for x <= 0, after Cephes' expf; relative error 2e-7. */
INLINE float NAME(exponential)(float x) {
    x = x < -87 ? -87 : x;
    float n = __builtin_rintf(x * 1.44269504f);
    x = x - n * 0.693359375f + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * x + 1.3981999507e-3f;
    p = p * x + 8.3334519073e-3f;
    p = p * x + 4.1665795894e-2f;
    p = p * x + 1.6666665459e-1f;
    p = p * x + 5.0000001201e-1f;
    p = p * x * x + x + 1;
    int32_t bits = ((int32_t)n + 127) << 23;
    float power;
    __builtin_memcpy(&power, &bits, 4);
    return p * power;
}

/* Phase 2, with a hidden layer: PANEL rows' logits. */
TARGET static void NAME(sum_up_all)(Run *run, Network *net, ptrdiff_t start) {
    ptrdiff_t n_classes = run->n_classes, k = 0;
    for (; k + 8 <= n_classes; k += 8) NAME(sum_up)(run, net, start, k, 8);
    if (n_classes - k >= 4) NAME(sum_up)(run, net, start, k, 4), k += 4;
    if (n_classes - k >= 2) NAME(sum_up)(run, net, start, k, 2), k += 2;
    if (n_classes - k >= 1) NAME(sum_up)(run, net, start, k, 1);
}

/* Phase 2: PANEL rows' logits, their losses, and the losses' derivatives by the logits. */
TARGET static void NAME(judge)(Run *run, Network *net, ptrdiff_t step, ptrdiff_t start) {
    const ptrdiff_t height = run->rows_padded, n_classes = run->n_classes;
    ptrdiff_t k;
    if (net->n_units) NAME(sum_up_all)(run, net, start);
    float most[PANEL], total[PANEL], share[PANEL];
    float *logits = net->logits + start;
    for (int r = 0; r < PANEL; r++) most[r] = logits[r], total[r] = 0;
    for (k = 1; k < n_classes; k++)
        for (int r = 0; r < PANEL; r++) {
            float value = logits[k * height + r];
            most[r] = value > most[r] ? value : most[r];
        }
    const int64_t *labels = run->y + step * run->n_rows + start;
    int n_real = run->n_rows - start < PANEL ? (int)(run->n_rows - start) : PANEL;
    float label_logits[PANEL];
    for (int r = 0; r < n_real; r++) label_logits[r] = logits[labels[r] * height + r] - most[r];
    for (k = 0; k < n_classes; k++)
        for (int r = 0; r < PANEL; r++) {
            float power = NAME(exponential)(logits[k * height + r] - most[r]);
            logits[k * height + r] = power;
            total[r] += power;
        }
    for (int r = 0; r < PANEL; r++) {
        float weight = r >= n_real ? 0 : run->weight ? run->weight[step * run->n_rows + start + r] : 1;
        share[r] = weight / run->n_rows;
        net->losses[start + r] = r < n_real ? weight * (__builtin_logf(total[r]) - label_logits[r]) : 0;
    }
    for (k = 0; k < n_classes; k++)
        for (int r = 0; r < PANEL; r++) logits[k * height + r] *= share[r] / total[r];
    for (int r = 0; r < n_real; r++) logits[labels[r] * height + r] -= share[r];
}

/* gradient (n, n_classes) of n_classes from `k` on by n_units from `u` on. */
INLINE TARGET void NAME(multiply_rows)(const Run *run, const Network *net, const float *values,
                                       ptrdiff_t u, ptrdiff_t k, const int n_units,
                                       const int n_classes, float *gradient) {
    const ptrdiff_t height = run->rows_padded;
    const float *lines = values + u * height, *errors = net->logits + k * height;
    VECTOR sums[4][4] = {{{0}}};
    for (ptrdiff_t r = 0; r < height; r += LANES)
        for (int i = 0; i < n_units; i++) {
            VECTOR line = *(const VECTOR *)(lines + i * height + r);
            for (int j = 0; j < n_classes; j++)
                sums[i][j] += line * *(const VECTOR *)(errors + j * height + r);
        }
    for (int i = 0; i < n_units; i++)
        for (int j = 0; j < n_classes; j++) {
            float sum = 0;
            for (int lane = 0; lane < LANES; lane++) sum += sums[i][j][lane];
            gradient[(u + i) * run->n_classes + k + j] = sum;
        }
}

/* Phase 3: step on the last layer's weights from n hidden units, from `first` on. */
TARGET static void NAME(learn_top)(Run *run, Network *net, float correction, ptrdiff_t first,
                                   ptrdiff_t n, float *gradient) {
    const ptrdiff_t n_classes = run->n_classes;
    const float *values = net->values + first * run->rows_padded;
    for (ptrdiff_t k = 0; k < n_classes; k += 4)
        for (ptrdiff_t u = 0; u < n; u += 4) {
            int is_whole = u + 4 <= n && k + 4 <= n_classes;
            if (is_whole) NAME(multiply_rows)(run, net, values, u, k, 4, 4, gradient);
            for (ptrdiff_t i = u; !is_whole && i < n && i < u + 4; i++)
                for (ptrdiff_t j = k; j < n_classes && j < k + 4; j++)
                    NAME(multiply_rows)(run, net, values, i, j, 1, 1, gradient);
        }
    NAME(learn)(net, correction, net->top + first * n_classes, gradient, n * n_classes, NULL);
}

/* Pass derivatives back through ReLU and dropout: only where the value is above zero. */
TARGET static void NAME(mask)(float *restrict signals, const float *restrict values, ptrdiff_t n,
                              float kept_scale) {
    for (ptrdiff_t i = 0; i < n; i++) signals[i] *= values[i] > 0 ? kept_scale : 0;
}

/* Phase 3: derivatives by a panel's hidden units before ReLU, (PANEL, rows_padded). */
TARGET static void NAME(trace_back)(Run *run, Network *net, ptrdiff_t unit, float *signals) {
    const ptrdiff_t height = run->rows_padded, n_classes = run->n_classes;
    const float *top = net->weights + net->top + unit * n_classes;
    ptrdiff_t n_real = net->n_units - unit;
    for (ptrdiff_t u = 0; u < PANEL; u += 4)
        for (ptrdiff_t r = 0; r < height; r += 2 * LANES) {
            VECTOR sums[4][2] = {{{0}}};
            for (ptrdiff_t k = 0; u < n_real && k < n_classes; k++) {
                const float *error = net->logits + k * height + r;
                VECTOR first = *(const VECTOR *)error, second = *(const VECTOR *)(error + LANES);
                for (int j = 0; j < 4; j++) {
                    float by = u + j < n_real ? top[(u + j) * n_classes + k] : 0;
                    sums[j][0] += by * first;
                    sums[j][1] += by * second;
                }
            }
            for (int j = 0; j < 4; j++) {
                float *target = signals + (u + j) * height + r;
                *(VECTOR *)target = sums[j][0];
                *(VECTOR *)(target + LANES) = sums[j][1];
            }
        }
    NAME(mask)(signals, net->values + unit * height, PANEL * height, net->kept_scale);
}

/* Call for 32 inputs' weights and moments of a panel, which tiles need not. (GCC drops calls of a
 * function that does nothing else.) */
INLINE TARGET void NAME(fetch)(const Network *net, ptrdiff_t at, ptrdiff_t width) {
    for (ptrdiff_t u = 0; u < PANEL; u++, at += width)
        for (int line = 0; line < 32; line += 16) {
            __builtin_prefetch(net->weights + at + line, 1, 2);
            __builtin_prefetch(net->means + at + line, 1, 2);
            __builtin_prefetch(net->squares + at + line, 1, 2);
        }
}

/* Phase 3: step on a panel's weights and biases, and on the last layer's weights from it. */
TARGET static void NAME(learn_panel)(Run *run, Network *net, float correction, ptrdiff_t panel,
                                     Space *space) {
    const ptrdiff_t width = run->inputs_padded, height = run->rows_padded, unit = panel * PANEL;
    const View *view = run->views + net->view;
    const ptrdiff_t n_real = n_of_panel(run, net, panel);
    const float *signals = net->logits + unit * height;
    if (net->n_units) {
        NAME(trace_back)(run, net, unit, space->signals);
        NAME(learn_top)(run, net, correction, unit, n_real, space->small);
        signals = space->signals;
    }
    float biases[PANEL];
    for (ptrdiff_t u = 0; u < PANEL; u++) {
        VECTOR sums = {0};
        for (ptrdiff_t r = 0; r < height; r += LANES)
            sums += *(const VECTOR *)(signals + u * height + r);
        biases[u] = 0;
        for (int j = 0; j < LANES; j++) biases[u] += sums[j];
    }
    NAME(learn)(net, correction, net->bias + unit, biases, PANEL, NULL);
    if (net->in_pairs)
        for (ptrdiff_t i = 0; i < PANEL * height; i++) space->halves[i] = rounded(signals[i]) >> 16;
    for (ptrdiff_t start = 0; start < width; start += SPAN) {
        ptrdiff_t n = width - start < SPAN ? width - start : SPAN;
        if (net->in_pairs)
            for (ptrdiff_t i = 0; i < n; i += 32) {
                NAME(fetch)(net, unit * width + start + i, width);
                run->multiply_pairs(space->halves, height,
                                    view->pairs_of_rows + (start + i) / 16 * (height / 2) * 16,
                                    height / 2 * 16, height, space->gradient + i, SPAN);
            }
        else
            NAME(multiply)(signals, height, view->by_row + start * height, height, n_real, n,
                           space->gradient, SPAN);
        for (ptrdiff_t u = 0; u < n_real; u++) {
            ptrdiff_t at = (unit + u) * width + start;
            NAME(learn)(net, correction, at, space->gradient + u * SPAN, n,
                        net->in_pairs ? net->packed + at : NULL);
        }
    }
}

/* Phase 3: take the batch's loss; step on the biases after a hidden layer. */
TARGET static void NAME(finish)(Run *run, Network *net, float correction, float *gradient) {
    const ptrdiff_t height = run->rows_padded;
    double loss = 0;
    for (ptrdiff_t r = 0; r < height; r++) loss += net->losses[r];
    net->loss += loss / run->n_rows;
    if (!net->n_units) return;
    for (ptrdiff_t k = 0; k < run->n_classes; k++) {
        gradient[k] = 0;
        for (ptrdiff_t r = 0; r < height; r++) gradient[k] += net->logits[k * height + r];
    }
    NAME(learn)(net, correction, net->top_bias, gradient, run->n_classes, NULL);
}

TARGET static void NAME(do_item)(Run *run, int phase, ptrdiff_t step, Item item, Space *space) {
    Network *net = run->networks + item.network;
    float correction = run->corrections[step];
    if (phase == 0)
        NAME(see)(run, run->views + item.network, step, item.part * PANEL, space);
    else if (phase == 1)
        NAME(compute_panel)(run, net, step, item.part);
    else if (phase == 2)
        NAME(judge)(run, net, step, item.part * PANEL);
    else if (item.part == LAST_BIASES)
        NAME(finish)(run, net, correction, space->small);
    else
        NAME(learn_panel)(run, net, correction, item.part, space);
}

/* An item's result does not depend on the thread that computes it, nor on the order of items. */
TARGET static void NAME(work)(Run *run, Space *space) {
    for (ptrdiff_t step = 0; step < run->n_steps; step++)
        for (int phase = 0; phase < N_PHASES; phase++) {
            Phase *current = run->phases + phase;
            for (int i; (i = atomic_fetch_add(&current->next, 1)) < current->n_items;)
                NAME(do_item)(run, phase, step, current->items[i], space);
            wait_for_all(run, phase);
            if (run->is_over) return;
        }
}

#undef VECTOR
#undef BETA_1
#undef BETA_2
#undef EPSILON
