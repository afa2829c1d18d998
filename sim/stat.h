/*
 * sim/stat.h — what the what-if needs of probability: samplers on struct rng, tables of constant
 * distributions, intervals and exact tails.
 *
 * Sources: W. Hörmann, The transformed rejection method for generating Poisson random variables,
 * Insurance: Mathematics and Economics 12 (1993) [PTRS]; W. Hörmann, The generation of binomial
 * random variates, J. Stat. Comput. Simul. 46 (1993) [BTRS]; E. B. Wilson, JASA 22 (1927);
 * Lentz's continued fraction of the incomplete beta function (Numerical Recipes 6.4).
 */
#ifndef COALMINE_SIM_STAT_H
#define COALMINE_SIM_STAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/rng.h"

/* ---- one draw of a distribution whose parameters change from draw to draw */

/* Poisson(mean): inversion below 30, PTRS above. mean <= 1e15; <= 0 gives 0. */
uint64_t stat_poisson(struct rng *r, double mean);
/* Binomial(n, p): inversion while n*min(p, 1-p) < 10, BTRS above. */
uint64_t stat_binomial(struct rng *r, uint64_t n, double p);
/* N(0,1): Marsaglia's polar method. */
double stat_normal(struct rng *r);

/* ---- tables: many draws of one distribution */

/*
 * The inverse of a distribution function as integers: a draw is the smallest k with
 * bits < cumulated[k]. Growing bits give growing draws, so that the same bits under two means are
 * common random numbers. Mass beyond ten standard deviations (about 1e-23) is put on the ends.
 */
struct stat_table {
    uint64_t first;      /* value of the first entry */
    uint64_t *cumulated; /* scaled by 2^64; the last is UINT64_MAX */
    uint32_t *guide;     /* where to begin for the highest bits */
    uint32_t count, guide_bits;
};
/* Returns 0 or -ENOMEM; mean up to 1e9. */
int stat_table_poisson(struct stat_table *t, double mean);
int stat_table_binomial(struct stat_table *t, uint64_t n, double p);
void stat_table_release(struct stat_table *t);
static inline uint64_t stat_table_draw(const struct stat_table *t, uint64_t bits)
{
    uint32_t k = t->guide[bits >> (64 - t->guide_bits)];

    while (bits >= t->cumulated[k] && k + 1 < t->count)
        k++;
    return t->first + k;
}

/* ---- exact probabilities */

double stat_poisson_pmf(uint64_t k, double mean);
double stat_binomial_pmf(uint64_t k, uint64_t n, double p);
/* Regularised incomplete beta function I_x(a, b), a and b > 0. */
double stat_beta(double a, double b, double x);
/* P(Bin(n, p) <= k) = I_{1-p}(n-k, k+1). */
double stat_binomial_cdf(uint64_t k, uint64_t n, double p);
/*
 * The closed form of threshold counting: `checks` passes are needed, `threshold` failures roll
 * back, each check fails with probability p: P(Bin(N+T-1, p) >= T) = I_p(T, N).
 */
double stat_rollback_closed_form(uint64_t checks, uint64_t threshold, double p);

/* Wilson's score interval of k hits in n, z = 1.959963984540054 for 95 %. n = 0 gives [0, 1]. */
void stat_wilson(uint64_t k, uint64_t n, double z, double *ret_low, double *ret_high);
#define STAT_Z95 1.959963984540054

#endif
