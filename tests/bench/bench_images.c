/* bench_images.c - JPEGs decoded by our kernel and by libjpeg-turbo alone
 *
 *     bench_images ROUNDS FILE...
 *
 * Every file is read before. Rounds alternate; prints one line of JSON: how many pictures and
 * pixels, and the CPU time in us of the fastest round of each. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include "core/bytes.h"
#include "core/clock.h"
#include "stages/kernels/image_decode.h"

enum { FILES_MAX = 4096, ROWS = 16 };

struct bench {
    struct bytes files[FILES_MAX];
    size_t count;
    uint64_t pixels, sum; /* of one round; of some samples, so that both do the same */
    unsigned char *rows;
};

static void read_file(const char *path, struct bytes *file)
{
    FILE *from = fopen(path, "rb");
    size_t got = 1;
    while (from && got > 0) {
        unsigned char *room = bytes_reserve(file, 1 << 16);
        got = room ? fread(room, 1, 1 << 16, from) : 0;
        file->size += got;
    }
    if (from)
        (void)fclose(from);
}

static void decode_ours(struct bench *bench, const struct bytes *file)
{
    static const struct image_rules rules = {.max_pixels = UINT64_MAX,
                                             .memory = (uint64_t)1 << 30};
    struct image_source *source = NULL;
    struct image_shape shape;
    struct image_fault fault;
    if (image_source_open(file->data, file->size, &rules, 0, 0, &source, &shape, &fault))
        return;
    uint32_t got = 1;
    while (got > 0) {
        if (image_source_rows(source, bench->rows, (size_t)shape.width * 3, ROWS, &got,
                              &fault))
            break;
        bench->sum += got > 0 ? bench->rows[0] : 0;
    }
    bench->pixels += (uint64_t)shape.width * shape.height;
    image_source_close(source);
}

static void decode_alone(struct bench *bench, const struct bytes *file)
{
    struct jpeg_decompress_struct info;
    struct jpeg_error_mgr errors;
    info.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&info);
    jpeg_mem_src(&info, file->data, (unsigned long)file->size);
    (void)jpeg_read_header(&info, TRUE);
    info.out_color_space = JCS_RGB;
    (void)jpeg_start_decompress(&info);
    while (info.output_scanline < info.output_height) {
        JSAMPROW lines[ROWS];
        for (int i = 0; i < ROWS; i++)
            lines[i] = bench->rows + (size_t)i * info.output_width * 3;
        (void)jpeg_read_scanlines(&info, lines, ROWS);
        bench->sum += bench->rows[0];
    }
    bench->pixels += (uint64_t)info.output_width * info.output_height;
    (void)jpeg_finish_decompress(&info);
    jpeg_destroy_decompress(&info);
}

static int64_t run_round(struct bench *bench,
                         void (*decode)(struct bench *, const struct bytes *))
{
    int64_t began = clock_process_us();
    bench->pixels = 0;
    for (size_t i = 0; i < bench->count; i++)
        decode(bench, &bench->files[i]);
    return clock_process_us() - began;
}

int main(int argc, char **argv)
{
    static struct bench bench;
    long rounds = argc > 2 ? strtol(argv[1], NULL, 10) : 0;
    int64_t best[2] = {INT64_MAX, INT64_MAX};
    bench.rows = malloc((size_t)65536 * 3 * ROWS);
    if (rounds < 1 || !bench.rows) {
        (void)fprintf(stderr, "usage: bench_images ROUNDS FILE...\n");
        return 2;
    }
    for (int i = 2; i < argc && bench.count < FILES_MAX; i++) {
        struct bytes *file = &bench.files[bench.count];
        struct image_header header;
        read_file(argv[i], file);
        if (!image_header_read(file->data, file->size, &header, NULL) &&
            header.format == IMAGE_JPEG && header.bits == 8)
            bench.count++;
        else
            bytes_clear(file);
    }
    for (long round = 0; round < rounds; round++) {
        int64_t ours = run_round(&bench, decode_ours);
        int64_t alone = run_round(&bench, decode_alone);
        best[0] = ours < best[0] ? ours : best[0];
        best[1] = alone < best[1] ? alone : best[1];
    }
    printf("{\"pictures\": %zu, \"pixels\": %" PRIu64 ", \"ours_us\": %" PRId64
           ", \"libjpeg_us\": %" PRId64 "}\n",
           bench.count, bench.pixels, best[0], best[1]);
    for (size_t i = 0; i < bench.count; i++)
        bytes_clear(&bench.files[i]);
    free(bench.rows);
    return 0;
}
