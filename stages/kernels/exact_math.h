/* exact_math.h - logarithm, exponential and digamma with the same bits everywhere
 *
 * The C library's differ between versions and CPUs in their last bits; these use nothing
 * but + - * / in a fixed order. Good to about 1e-14 of the value. */
#ifndef STAGES_KERNELS_EXACT_MATH_H
#define STAGES_KERNELS_EXACT_MATH_H

double exact_log(double value);     /* value: positive, normal */
double exact_exp(double value);     /* -700 to 700; 0 below, the value at 700 above */
double exact_digamma(double value); /* value >= 0.25 */

#endif
