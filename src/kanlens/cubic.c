/* Combine cubic B-splines on uniform grids by coefficients, and the two derivatives of that.

   Only the four live functions of an input are touched, so the cost does not depend on the number of
   intervals. Compiled once for float and once for double (T). Rows of out numbers are handled in blocks of
   four vectors, which stay in registers. Arrays are x (batch, in), grid (in, intervals + 7), coef (in, size, out),
   y and grad (batch, out). A result other than 0 says that there was no memory. */

#include <stdlib.h>
#include <string.h>

#ifdef __AVX512F__
#define BYTES 64
#else
#define BYTES 32
#endif
#define LANES ((long)(BYTES / sizeof(T)))
#define BLOCK (4 * LANES)
#define ROWS 128    /* rows of the batch handled at once: their places and weights stay in the first cache */
#define SORTED 1024 /* rows that are sorted by interval at once: their gradients stay in the second cache */
#define INPUTS 4    /* inputs that one pass over the outputs adds */

typedef T V __attribute__((vector_size(BYTES), aligned(sizeof(T)), may_alias));
typedef T Half __attribute__((vector_size(BYTES / 2), aligned(sizeof(T)), may_alias));
typedef T Quarter __attribute__((vector_size(BYTES / 4), aligned(sizeof(T)), may_alias));

typedef struct {
    const T *x, *grid, *coef;
    long batch, in, out, intervals;
} Task;

/* Find the intervals of n points of one input, and the values and slopes of its four live functions there; those
   of the next function lie `apart` from those of the last. */
static void place(const Task *task, long input, long first, long n, int *restrict interval, T *restrict value,
                  T *restrict slope, long apart) {
    const T *x = task->x + first * task->in + input, *knots = task->grid + input * (task->intervals + 7);
    const T low = knots[3], end = (T)task->intervals, scale = end / (knots[task->intervals + 3] - low), third = (T)1 / 3;
    const int last = (int)task->intervals - 1;
    const long stride = task->in;
    for (long b = 0; b < n; b++) {
        const T u = (x[b * stride] - low) * scale;
        const T inside = u < 0 ? 0 : u > end ? end : u; /* a NaN stays one */
        int k = (int)inside;
        k = k < 0 ? 0 : k > last ? last : k;
        const T t = inside - k, past = u - inside, r = 1 - t;
        const T s0 = -r * r / 2, s3 = t * t / 2, s1 = (t * 3 / 2 - 2) * t, s2 = -(s0 + s1 + s3);
        const T v0 = r * r * r / 2 * third, v3 = t * t * t / 2 * third, v1 = (t / 2 - 1) * t * t + 2 * third, v2 = 1 - v0 - v1 - v3;
        interval[b] = k;
        value[b] = v0 + past * s0, value[apart + b] = v1 + past * s1;
        value[2 * apart + b] = v2 + past * s2, value[3 * apart + b] = v3 + past * s3;
        slope[b] = s0 * scale, slope[apart + b] = s1 * scale;
        slope[2 * apart + b] = s2 * scale, slope[3 * apart + b] = s3 * scale;
    }
}

/* Copy the first width numbers of some rows, each to a whole block, which zeros fill. */
static void pack(T *blocks, const T *rows, long count, long stride, long width) {
    for (long r = 0; r < count; r++) {
        if (width == BLOCK) memcpy(blocks + r * BLOCK, rows + r * stride, BLOCK * sizeof(T));
        else {
            memset(blocks + r * BLOCK, 0, BLOCK * sizeof(T));
            memcpy(blocks + r * BLOCK, rows + r * stride, width * sizeof(T));
        }
    }
}

/* Add to a block of sums the live rows of some inputs, times their values. */
static inline __attribute__((always_inline)) void add_rows(T *sums, const T *blocks, long size, const int *interval,
                                                           const T *value, int inputs) {
    V *at = (V *)sums, sum0 = at[0], sum1 = at[1], sum2 = at[2], sum3 = at[3];
    for (int i = 0; i < inputs; i++) {
        const V *row = (const V *)(blocks + (i * size + interval[i * ROWS]) * BLOCK);
        for (int j = 0; j < 4; j++, row += 4) {
            const T times = value[(4 * i + j) * ROWS];
            sum0 += times * row[0], sum1 += times * row[1], sum2 += times * row[2], sum3 += times * row[3];
        }
    }
    at[0] = sum0, at[1] = sum1, at[2] = sum2, at[3] = sum3;
}

/* Compute the outputs left to right of the rows first to last of the batch. */
static int forward_part(const Task *task, T *y, long first, long last, long left, long right) {
    const long size = task->intervals + 3, out = task->out, wide = (right - left + BLOCK - 1) / BLOCK * BLOCK;
    int interval[INPUTS][ROWS];
    T value[INPUTS][4][ROWS], slope[4][ROWS];
    T *sums = aligned_alloc(64, SORTED * wide * sizeof(T) + 64), *blocks = aligned_alloc(64, INPUTS * size * BLOCK * sizeof(T));
    const int failed = !sums || !blocks;
    for (long top = first; top < last && !failed; top += SORTED) {
        const long end = last - top < SORTED ? last : top + SORTED;
        memset(sums, 0, (end - top) * wide * sizeof(T));
        for (long input = 0; input < task->in; input += INPUTS) {
            const int inputs = task->in - input < INPUTS ? (int)(task->in - input) : INPUTS;
            for (long row = top; row < end; row += ROWS) {
                const long n = end - row < ROWS ? end - row : ROWS;
                for (int i = 0; i < inputs; i++) place(task, input + i, row, n, interval[i], value[i][0], slope[0], ROWS);
                for (long o = left; o < right; o += BLOCK) {
                    const long width = right - o < BLOCK ? right - o : BLOCK;
                    pack(blocks, task->coef + input * size * out + o, inputs * size, out, width);
                    T *at = sums + (row - top) * wide + o - left;
                    if (inputs == INPUTS)
                        for (long b = 0; b < n; b++)
                            add_rows(at + b * wide, blocks, size, &interval[0][b], &value[0][0][b], INPUTS);
                    else
                        for (long b = 0; b < n; b++)
                            add_rows(at + b * wide, blocks, size, &interval[0][b], &value[0][0][b], inputs);
                }
            }
        }
        for (long b = top; b < end; b++) memcpy(y + b * out + left, sums + (b - top) * wide, (right - left) * sizeof(T));
    }
    free(sums), free(blocks);
    return failed;
}

/* y = sum over inputs and live functions. Threads share the outputs where the coefficients are the larger
   array, so that each is read once, and the rows of the batch elsewhere. */
int forward(const T *x, const T *grid, const T *coef, T *y, long batch, long in, long out,
             long intervals, int threads) {
    const Task task = {x, grid, coef, batch, in, out, intervals};
    const int by_outputs = out >= BLOCK * threads && in * (intervals + 3) > batch;
    int failed = 0;
    const long whole = by_outputs ? (out + BLOCK - 1) / BLOCK : batch;
#pragma omp parallel for num_threads(threads) schedule(static) reduction(| : failed)
    for (int p = 0; p < threads; p++) {
        const long a = whole * p / threads, z = whole * (p + 1) / threads;
        const long end = z * BLOCK < out ? z * BLOCK : out;
        if (by_outputs) failed |= forward_part(&task, y, 0, batch, a * BLOCK, end);
        else failed |= forward_part(&task, y, a, z, 0, out);
    }
    return failed;
}

/* All basis functions and their slopes, each (in, size, batch). */
int tabulate(const T *x, const T *grid, T *values, T *slopes, long batch, long in, long intervals, int threads) {
    const Task task = {x, grid, NULL, batch, in, 0, intervals};
    const long size = intervals + 3;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long input = 0; input < in; input++) {
        int interval[ROWS];
        T value[4][ROWS], slope[4][ROWS];
        memset(values + input * size * batch, 0, size * batch * sizeof(T));
        memset(slopes + input * size * batch, 0, size * batch * sizeof(T));
        for (long first = 0; first < batch; first += ROWS) {
            const long n = batch - first < ROWS ? batch - first : ROWS;
            place(&task, input, first, n, interval, value[0], slope[0], ROWS);
            for (int j = 0; j < 4; j++)
                for (long b = 0; b < n; b++) {
                    const long at = (input * size + interval[b] + j) * batch + first + b;
                    values[at] = value[j][b], slopes[at] = slope[j][b];
                }
        }
    }
    return 0;
}

/* Sort points by interval: place[start[k] : start[k + 1]] are the numbers of those in interval k. */
static void sort(const int *interval, long n, long intervals, int *start, int *order) {
    memset(start, 0, (intervals + 1) * sizeof(int));
    for (long b = 0; b < n; b++) start[interval[b] + 1]++;
    for (long k = 0; k < intervals; k++) start[k + 1] += start[k];
    for (long b = 0; b < n; b++) order[start[interval[b]]++] = (int)b;
    for (long k = intervals; k > 0; k--) start[k] = start[k - 1];
    start[0] = 0;
}

/* by_coef[k + j] += value[j] * grad for one input, interval by interval: its four sums stay in registers.
   The rows of grad are `wide` apart, whole blocks. */
static void add_to_coef(T *by_coef, const T *grad, long out, long wide, long intervals, const int *start,
                        const int *order, T (*value)[SORTED]) {
    for (long o = 0; o < out; o += BLOCK)
        for (long k = 0; k < intervals; k++) {
            if (start[k] == start[k + 1]) continue;
            V sum[4][4];
            memset(sum, 0, sizeof sum);
            for (int p = start[k]; p < start[k + 1]; p++) {
                const V *g = (const V *)(grad + order[p] * wide + o);
                for (int j = 0; j < 4; j++)
                    for (int v = 0; v < 4; v++) sum[j][v] += value[j][order[p]] * g[v];
            }
            for (int j = 0; j < 4; j++) {
                T *row = by_coef + (k + j) * out + o;
                if (out - o >= BLOCK)
                    for (int v = 0; v < 4; v++) ((V *)row)[v] += sum[j][v];
                else
                    for (long r = 0; r < out - o; r++) row[r] += ((T *)sum[j])[r];
            }
        }
}

/* Add the lanes of a vector, halves to halves. */
static inline T total(V sum) {
    const Half *halves = (const Half *)&sum;
    const Half half = halves[0] + halves[1];
    const Quarter *quarters = (const Quarter *)&half;
    const Quarter quarter = quarters[0] + quarters[1];
    T result = 0;
    for (long lane = 0; lane < LANES / 4; lane++) result += quarter[lane];
    return result;
}

/* by_x[b] = sum of slope[j] * (coef[k + j] . grad[b]) for one input; `sums` is room for one vector a row. */
static void pull_to_x(T *by_x, const T *coef, const T *grad, long out, long wide, long intervals, const int *start,
                      const int *order, T (*slope)[SORTED], V *sums) {
    memset(sums, 0, start[intervals] * sizeof(V));
    for (long o = 0; o < out; o += BLOCK)
        for (long k = 0; k < intervals; k++) {
            if (start[k] == start[k + 1]) continue;
            V row[4][4];
            pack((T *)row, coef + k * out + o, 4, out, out - o < BLOCK ? out - o : BLOCK);
            for (int p = start[k]; p < start[k + 1]; p++) {
                const int b = order[p];
                const V *g = (const V *)(grad + b * wide + o);
                V sum = sums[p];
                for (int v = 0; v < 4; v++)
                    sum += g[v] * (slope[0][b] * row[0][v] + slope[1][b] * row[1][v] + slope[2][b] * row[2][v] +
                                   slope[3][b] * row[3][v]);
                sums[p] = sum;
            }
        }
    for (int p = 0; p < start[intervals]; p++) by_x[order[p]] = total(sums[p]);
}

/* The derivatives by coef (in, size, out) and by x (batch, in); either may be NULL. Threads share the inputs. */
int backward(const T *x, const T *grid, const T *coef, const T *grad, T *by_coef, T *by_x, long batch,
             long in, long out, long intervals, int threads) {
    const Task task = {x, grid, coef, batch, in, out, intervals};
    const long size = intervals + 3, strip = 16; /* inputs whose derivatives fill a cache line of by_x */
    const long wide = (out + BLOCK - 1) / BLOCK * BLOCK;
    T *padded = wide == out ? NULL : calloc(batch * wide + 1, sizeof(T));
    int failed = wide != out && !padded;
    for (long b = 0; padded && b < batch; b++) memcpy(padded + b * wide, grad + b * out, out * sizeof(T));
#pragma omp parallel num_threads(threads) reduction(| : failed)
    {
        int interval[SORTED], order[SORTED], *start = malloc((intervals + 2) * sizeof(int));
        T value[4][SORTED], slope[4][SORTED], *column = malloc(strip * SORTED * sizeof(T));
        V *sums = aligned_alloc(BYTES, SORTED * sizeof(V));
        failed |= !start || !column || !sums;
#pragma omp for schedule(static)
        for (long s = 0; s < (in + strip - 1) / strip; s++) {
            if (failed) continue;
            const long end = (s + 1) * strip < in ? (s + 1) * strip : in, count = end - s * strip;
            if (by_coef) memset(by_coef + s * strip * size * out, 0, count * size * out * sizeof(T));
            for (long first = 0; first < batch; first += SORTED) {
                const long n = batch - first < SORTED ? batch - first : SORTED;
                const T *g = (padded ? padded : grad) + first * wide;
                for (long i = 0; i < count; i++) {
                    const long input = s * strip + i;
                    place(&task, input, first, n, interval, value[0], slope[0], SORTED);
                    sort(interval, n, intervals, start, order);
                    if (by_coef) add_to_coef(by_coef + input * size * out, g, out, wide, intervals, start, order, value);
                    if (by_x) pull_to_x(column + i * SORTED, coef + input * size * out, g, out, wide, intervals, start, order, slope, sums);
                }
                for (long b = 0; by_x && b < n; b++)
                    for (long i = 0; i < count; i++) by_x[(first + b) * in + s * strip + i] = column[i * SORTED + b];
            }
        }
        free(start), free(column), free(sums);
    }
    free(padded);
    return failed;
}
