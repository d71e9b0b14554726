/* paint.h - lines and letters on pictures
 *
 * Nothing outside a picture is touched, wherever it is asked to be painted. */
#ifndef STAGES_KERNELS_PAINT_H
#define STAGES_KERNELS_PAINT_H

#include <stddef.h>
#include <stdint.h>

/* A picture (height, width, 3), RGB, rows without gaps. */
struct canvas {
    unsigned char *pixels;
    uint32_t width, height;
};

struct colour {
    unsigned char red, green, blue;
};

/* Colours that are told apart from each other; those of classes come round again. */
struct colour paint_class_colour(uint32_t class);
/* Black or white, whichever is read better on it. */
struct colour paint_contrast(struct colour colour);

/* Columns [x1, x2), rows [y1, y2). */
void paint_rectangle(struct canvas *canvas, int64_t x1, int64_t y1, int64_t x2,
                     int64_t y2, struct colour colour);
/* The outermost `width` pixels of the same. */
void paint_outline(struct canvas *canvas, int64_t x1, int64_t y1, int64_t x2, int64_t y2,
                   int64_t width, struct colour colour);
/* A disc around the middle of pixel (x, y). */
void paint_disc(struct canvas *canvas, int64_t x, int64_t y, int64_t radius,
                struct colour colour);

/* Letters are 5 by 7 dots, each `scale` pixels wide and high, in a field of 6 by 9; what is
 * not in ASCII is a box, one for each character of UTF-8. */
enum { PAINT_FIELD_WIDTH = 6, PAINT_FIELD_HEIGHT = 9 };
/* Fields that a text takes. */
size_t paint_text_fields(const char *text, size_t size);
/* From (x, y) on, on a background as large as its fields. */
void paint_text(struct canvas *canvas, int64_t x, int64_t y, int64_t scale,
                const char *text, size_t size, struct colour colour,
                struct colour background);

#endif
