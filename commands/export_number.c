/* export_number.c - decimals of box edges that read back to the same floats */
#include "commands/export_number.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/bytes.h"

enum { PLACES_MAX = 22, TEXT_SIZE = 40 };

/* Powers of ten that a double holds exactly. */
static const double powers[PLACES_MAX + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
static const double whole_max = 9007199254740992.0; /* 2^53 */
static const double shy = 0.99;                     /* of half the way to the neighbour */
static const double double_unit = 2e-16;

double number_tolerance(float value)
{
    uint32_t bits;
    float size = fabsf(value), below;
    if (size == 0)
        return 0;
    memcpy(&bits, &size, sizeof bits);
    bits--; /* the neighbour towards zero is never the farther one */
    memcpy(&below, &bits, sizeof below);
    return ((double)size - (double)below) / 2 * shy;
}

/* whole / 10^places, which is at least 0. */
static void put_decimal(uint64_t whole, int places, struct bytes *out)
{
    char digits[TEXT_SIZE];
    size_t at = sizeof digits;
    for (int i = 0; whole > 0 || i <= places; i++) {
        if (i == places && places > 0)
            digits[--at] = '.';
        digits[--at] = (char)('0' + whole % 10);
        whole /= 10;
    }
    bytes_put(out, digits + at, sizeof digits - at);
}

double number_put_near(double target, double tolerance, struct bytes *out)
{
    char text[TEXT_SIZE];
    double size = fabs(target);
    double far = tolerance > size * double_unit ? tolerance : size * double_unit;
    for (int places = 0; places <= PLACES_MAX; places++) {
        double whole = rint(size * powers[places]);
        if (whole > whole_max)
            break;
        double value = whole / powers[places]; /* as strtod() would round it */
        if (!(fabs(value - size) <= far))
            continue;
        bool is_negative = target < 0 && whole > 0;
        if (is_negative)
            bytes_put_u8(out, '-');
        put_decimal((uint64_t)whole, places, out);
        return is_negative ? -value : value;
    }
    (void)snprintf(text, sizeof text, "%.17g", target);
    bytes_put(out, text, strlen(text));
    return target;
}

double number_put_f32(float value, struct bytes *out)
{
    return number_put_near((double)value, number_tolerance(value), out);
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

double number_put_begin(float low, double scale, double finest, struct bytes *out)
{
    return number_put_near((double)low * scale,
                           larger(number_tolerance(low) * scale, finest), out);
}

double number_put_extent(float high, double begin, double scale, double finest,
                         struct bytes *out)
{
    return number_put_near((double)high * scale - begin,
                           larger(number_tolerance(high) * scale, finest), out);
}

void number_put_centre(float low, float high, double scale, double finest,
                       struct bytes *centre, struct bytes *extent)
{
    /* An edge is off by what the centre is and half of what the extent is. */
    double below = number_tolerance(low), above = number_tolerance(high);
    double tolerance = larger((below < above ? below : above) * scale * 2 / 3, finest);
    (void)number_put_near(((double)low + (double)high) / 2 * scale, tolerance, centre);
    (void)number_put_near(((double)high - (double)low) * scale, tolerance, extent);
}
