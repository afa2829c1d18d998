/*
 * sim/stat_math.h — elementary functions that give the same bits on every machine.
 *
 * The C library's exp, log and lgamma differ from one libm to the next in the last bit, and one bit
 * can turn a draw. These use nothing but additions, multiplications and divisions of IEEE doubles
 * in a fixed order; the tests hold them to libm within a few units in the last place.
 */
#ifndef COALMINE_SIM_STAT_MATH_H
#define COALMINE_SIM_STAT_MATH_H

/* e^x; 0 below -745, +Inf above 709.78. */
double stat_exp(double x);
/* Natural logarithm; -Inf at 0, NaN below. */
double stat_log(double x);
/* log(1 + x) for x > -1, exact in relative terms near 0. */
double stat_log1p(double x);
/* Correctly rounded, as IEEE 754 demands of every machine. */
double stat_sqrt(double x);
/* log of the gamma function for x > 0. Shift to x >= 16, then Stirling's series. */
double stat_lgamma(double x);
/* P(N(0,1) <= x): Taylor series about 0, continued fraction of the tail beyond 3. */
double stat_normal_cdf(double x);
/* x such that stat_normal_cdf(x) = p, 0 < p < 1: bisection. */
double stat_normal_quantile(double p);

#endif
