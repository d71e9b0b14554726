/* export_number.h - decimals of box edges that read back to the same floats */
#ifndef COMMANDS_EXPORT_NUMBER_H
#define COMMANDS_EXPORT_NUMBER_H

struct bytes;

/* How far a decimal may be from a float and be read as it: half the way to its neighbour,
 * less a little for the arithmetic of who reads. */
double number_tolerance(float value);

/* Append the decimal with the fewest places that is no farther from `target` than the
 * tolerance and what a double can tell, in JSON's notation, without an exponent where it
 * is not very small. Returns what was written, as a reader has it. */
double number_put_near(double target, double tolerance, struct bytes *out);

/* The decimal with the fewest places that reads back to the same float. */
double number_put_f32(float value, struct bytes *out);

/* From `low` to `high` as begin and extent, in units of `scale`: (float)(begin / scale) is
 * `low` again, (float)((begin + extent) / scale) is `high`, except that nothing is told
 * finer than `finest` (in those units). Both return what was written. */
double number_put_begin(float low, double scale, double finest, struct bytes *out);
double number_put_extent(float high, double begin, double scale, double finest,
                         struct bytes *out);

/* As centre and extent: centre -+ extent / 2. Each goes to a text of its own. */
void number_put_centre(float low, float high, double scale, double finest,
                       struct bytes *centre, struct bytes *extent);

#endif
