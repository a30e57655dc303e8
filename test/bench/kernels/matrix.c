/* The product of two 96 x 96 matrices of doubles, `size` times; sums in REAL. */
#include "runtime.h"

#define N 96

static double a[N][N], b[N][N], c[N][N];

static uint32_t run(uint32_t size)
{
    for (int row = 0; row < N; row += 1) {
        for (int column = 0; column < N; column += 1) {
            a[row][column] = 1.0 / (row + 3 * column + 1.1);
            b[row][column] = 0.3 * (column - 2 * row) / 7.0;
        }
    }
    uint32_t sum = 0;
    for (uint32_t pass = 0; pass < size; pass += 1) {
        for (int row = 0; row < N; row += 1) {
            for (int column = 0; column < N; column += 1) {
                REAL cell = 0;
                for (int index = 0; index < N; index += 1) cell += (REAL)a[row][index] * (REAL)b[index][column];
                c[row][column] = (double)cell;
            }
        }
        for (int row = 0; row < N; row += 1) sum = mix_double(sum, c[row][(row + (int)pass) % N]);
        a[pass % N][0] += 0.1;
    }
    return sum;
}
