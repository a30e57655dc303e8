/* Five bodies that attract each other; `size` steps. Positions and speeds are doubles, what is between them is REAL. */
#include "runtime.h"

#define BODIES 5

struct body { double x, y, z, vx, vy, vz, mass; };

static struct body bodies[BODIES] = {
    { 0, 0, 0, 0.0011, -0.0007, 0.0003, 37.1 },
    { 4.7, -1.3, 0.2, 0.41, 2.63, -0.07, 0.031 },
    { -7.9, 3.1, -0.6, -0.73, -1.91, 0.11, 0.0093 },
    { 11.3, 9.7, 1.7, -1.07, 1.19, 0.05, 0.0017 },
    { -14.9, -6.1, 0.9, 0.53, -1.37, -0.09, 0.0019 },
};

static REAL square_root(REAL value)
{
    return sizeof(REAL) == sizeof(double) ? (REAL)__builtin_sqrt((double)value) : (REAL)__builtin_sqrtl((long double)value);
}

static void step(REAL time)
{
    for (int one = 0; one < BODIES; one += 1) {
        struct body *p = &bodies[one];
        for (int other = one + 1; other < BODIES; other += 1) {
            struct body *q = &bodies[other];
            REAL dx = (REAL)p->x - (REAL)q->x;
            REAL dy = (REAL)p->y - (REAL)q->y;
            REAL dz = (REAL)p->z - (REAL)q->z;
            REAL square = dx * dx + dy * dy + dz * dz;
            REAL pull = time / (square * square_root(square));
            REAL towards_q = pull * (REAL)q->mass;
            REAL towards_p = pull * (REAL)p->mass;
            p->vx = (double)((REAL)p->vx - dx * towards_q);
            p->vy = (double)((REAL)p->vy - dy * towards_q);
            p->vz = (double)((REAL)p->vz - dz * towards_q);
            q->vx = (double)((REAL)q->vx + dx * towards_p);
            q->vy = (double)((REAL)q->vy + dy * towards_p);
            q->vz = (double)((REAL)q->vz + dz * towards_p);
        }
    }
    for (int one = 0; one < BODIES; one += 1) {
        struct body *p = &bodies[one];
        p->x = (double)((REAL)p->x + time * (REAL)p->vx);
        p->y = (double)((REAL)p->y + time * (REAL)p->vy);
        p->z = (double)((REAL)p->z + time * (REAL)p->vz);
    }
}

static uint32_t run(uint32_t size)
{
    for (uint32_t done = 0; done < size; done += 1) step((REAL)0.0013);
    uint32_t sum = 0;
    for (int one = 0; one < BODIES; one += 1) {
        sum = mix_double(mix_double(mix_double(sum, bodies[one].x), bodies[one].y), bodies[one].z);
    }
    return sum;
}
