/* test_detect.c - boxes come from where they are, with a model whose answer is its input
 *
 * The model takes pictures of 2 by 4 pixels and gives their 24 bytes as 4 boxes of x1, y1,
 * x2, y2, score in hundredths and class: a picture says itself what is to be found in it. */
#include "tests/stages/one_stage.h"

#include <stdlib.h>
#include <unistd.h>

#include "core/bytes.h"
#include "stages/kernels/detector_parts.h"
#include "tests/image_files.h"
#include "tests/onnx_library.h"
#include "tests/onnx_writer.h"

extern const struct stage_type stage_detect;

enum { WIDE = 2, HIGH = 4, BOXES = 4, NUMBERS = 6, FILES_MAX = 4 };

static char model_path[64], mixing_path[64];

static void write_model(const char *path, struct bytes *model)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(model->data, 1, model->size, file), model->size);
    assert_int_equal(fclose(file), 0);
    bytes_clear(model);
}

/* mixes: every item has the largest numbers of its batch added, so that it shows. */
static struct bytes boxes_model(bool mixes)
{
    static const int64_t input[] = {-1, 3, HIGH, WIDE}, output[] = {-1, BOXES, NUMBERS},
                         shape[] = {0, BOXES, NUMBERS}, three[] = {3}, six[] = {NUMBERS};
    static const float units[NUMBERS] = {1, 1, 1, 1, 0.01F, 1};
    struct bytes graph = {0};
    if (mixes) {
        struct bytes axes = {0};
        onnx_put_text(&axes, 1, "axes");
        onnx_put_number(&axes, 8, 0);
        onnx_put_number(&axes, 20, 7); /* INTS */
        onnx_put_node(&graph, "ReduceMax", "pixels", NULL, "most", &axes);
        onnx_put_node(&graph, "Add", "pixels", "most", "mixed", NULL);
    }
    onnx_put_node(&graph, "Reshape", mixes ? "mixed" : "pixels", "shape", "rows", NULL);
    onnx_put_node(&graph, "Mul", "rows", "units", "boxes", NULL);
    onnx_put_weights(&graph, "shape", WRITE_I64, three, 1, shape, sizeof shape);
    onnx_put_weights(&graph, "units", WRITE_F32, six, 1, units, sizeof units);
    onnx_put_port(&graph, 11, "pixels", WRITE_F32, input, 4);
    onnx_put_port(&graph, 12, "boxes", WRITE_F32, output, 3);
    return onnx_model(&graph);
}

static int setup_models(void **state)
{
    struct bytes model = boxes_model(false), mixing = boxes_model(true);
    (void)snprintf(model_path, sizeof model_path, "/tmp/test_detect.%d.onnx", getpid());
    (void)snprintf(mixing_path, sizeof mixing_path, "/tmp/test_detect.%d.mix.onnx",
                   getpid());
    write_model(model_path, &model);
    write_model(mixing_path, &mixing);
    return open_onnx_library_first(state);
}

static int remove_models(void **state)
{
    (void)state;
    return unlink(model_path) | unlink(mixing_path);
}

/* ---- pictures that say what is in them ---- */

struct canvas {
    uint32_t width, height;
    unsigned char *pixels; /* owned: (height, width, 3) */
};

static struct canvas canvas_make(uint32_t width, uint32_t height)
{
    struct canvas canvas = {width, height, calloc((size_t)width * height, 3)};
    assert_non_null(canvas.pixels);
    return canvas;
}

/* Box `i` of the input that shows the canvas from (x, y) on. */
static void canvas_put(struct canvas *canvas, uint32_t x, uint32_t y, unsigned i,
                       const unsigned char box[NUMBERS])
{
    for (unsigned k = 0; k < NUMBERS; k++) {
        unsigned at = i * NUMBERS + k, channel = at / (WIDE * HIGH),
                 place = at % (WIDE * HIGH);
        size_t pixel = (size_t)(y + place / WIDE) * canvas->width + x + place % WIDE;
        canvas->pixels[3 * pixel + channel] = box[k];
    }
}

/* A column of image<u8>; the canvases' pixels are freed. */
static struct batch *canvas_batch(struct arena *arena, struct canvas *canvases,
                                  uint32_t count)
{
    struct column *column = ARENA_NEW(arena, struct column, 1);
    uint64_t *offsets = ARENA_NEW(arena, uint64_t, (size_t)count + 1);
    uint32_t *shapes = ARENA_NEW(arena, uint32_t, (size_t)count * 3);
    for (uint32_t i = 0; i < count; i++) {
        shapes[3 * i] = canvases[i].height;
        shapes[3 * i + 1] = canvases[i].width;
        shapes[3 * i + 2] = 3;
        offsets[i + 1] = offsets[i] + (size_t)canvases[i].width * canvases[i].height * 3;
    }
    unsigned char *data = ARENA_NEW(arena, unsigned char, (size_t)offsets[count] + 1);
    for (uint32_t i = 0; i < count; i++) {
        memcpy(data + offsets[i], canvases[i].pixels,
               (size_t)(offsets[i + 1] - offsets[i]));
        free(canvases[i].pixels);
    }
    *column = (struct column){.name = "data",
                              .type = COLUMN_IMAGE_U8,
                              .offsets = offsets,
                              .data = data,
                              .shapes = shapes};
    const struct column *columns[] = {column};
    return make_batch(arena, columns, 1, count);
}

static const struct schema_field canvas_fields[] = {{"key", COLUMN_UTF8, 0},
                                                    {"data", COLUMN_IMAGE_U8, 0}};
static const struct schema_field file_fields[] = {{"key", COLUMN_UTF8, 0},
                                                  {"data", COLUMN_BYTES, 0}};

/* What all of these tests tell the stage, and what one of them adds. */
static const char *yaml_of(const char *path, const char *more)
{
    static char yaml[1024];
    (void)snprintf(yaml, sizeof yaml,
                   "{model: \"%s\", head: end_to_end, threshold: 0.5, input: {mean: [0], "
                   "divisor: [1], fit: stretch, channels: rgb, pad: [0]}, %s}",
                   path, more);
    return yaml;
}

static void run_canvases(struct one_stage *one, const char *more, struct canvas *canvases,
                         uint32_t count)
{
    need_onnx_library();
    one_stage_open(one, &stage_detect, yaml_of(model_path, more), canvas_fields, 2);
    one_stage_run(one, canvas_batch(one->arena, canvases, count));
}

static void expect_boxes(struct one_stage *one, uint32_t row, const struct box *wanted,
                         size_t count)
{
    assert_int_equal(one->outcome.batch_count, 1);
    const struct column *boxes = batch_column(one->outcome.batches[0], "boxes");
    assert_non_null(boxes);
    assert_true(column_is_valid(boxes, row));
    assert_int_equal(column_row_length(boxes, row), count);
    const struct box *found = column_row(boxes, row);
    for (size_t i = 0; i < count; i++) {
        const float *a = &found[i].x1, *b = &wanted[i].x1;
        for (size_t k = 0; k < NUMBERS; k++)
            assert_float_equal(a[k], b[k], 1e-5);
    }
}

static int64_t views_of(struct one_stage *one, uint32_t row)
{
    const struct column *views = batch_column(one->outcome.batches[0], "views");
    assert_non_null(views);
    return ((const int64_t *)views->data)[row];
}

/* ---- the whole picture ---- */

static void a_whole_picture_is_looked_at(void **state)
{
    (void)state;
    struct one_stage one;
    struct canvas canvas = canvas_make(WIDE, HIGH);
    canvas_put(&canvas, 0, 0, 0, (unsigned char[]){0, 0, 1, 2, 60, 3});
    canvas_put(&canvas, 0, 0, 1, (unsigned char[]){1, 1, 2, 4, 90, 7});
    canvas_put(&canvas, 0, 0, 2, (unsigned char[]){1, 1, 2, 3, 50, 7}); /* no more than */
    canvas_put(&canvas, 0, 0, 3, (unsigned char[]){9, 9, 9, 9, 99, 7}); /* outside */
    run_canvases(&one, "batch: 4", &canvas, 1);
    expect_boxes(&one, 0,
                 (const struct box[]){{0, 0, 1, 2, 0.6F, 3}, {1, 1, 2, 4, 0.9F, 7}}, 2);
    assert_int_equal(views_of(&one, 0), 1);
    one_stage_close(&one);
}

static void boxes_are_brought_to_the_original(void **state)
{
    (void)state;
    struct one_stage one;
    struct canvas canvas = canvas_make(WIDE * 8, HIGH * 8); /* all pixels of a kind */
    for (uint32_t y = 0; y < canvas.height; y++)
        for (uint32_t x = 0; x < canvas.width; x++) {
            struct canvas small = canvas_make(WIDE, HIGH);
            canvas_put(&small, 0, 0, 1, (unsigned char[]){0, 1, 2, 3, 80, 5});
            memcpy(canvas.pixels + 3 * ((size_t)y * canvas.width + x),
                   small.pixels + 3 * ((size_t)(y / 8) * WIDE + x / 8), 3);
            free(small.pixels);
        }
    run_canvases(&one, "filter: box", &canvas, 1);
    expect_boxes(&one, 0, &(struct box){0, 8, 16, 24, 0.8F, 5}, 1);
    one_stage_close(&one);
}

static void a_picture_without_boxes_has_an_empty_list(void **state)
{
    (void)state;
    struct one_stage one;
    struct canvas canvases[] = {canvas_make(WIDE, HIGH), canvas_make(300, 200)};
    run_canvases(&one, "batch: 1", canvases, 2);
    expect_boxes(&one, 0, NULL, 0);
    expect_boxes(&one, 1, NULL, 0);
    one_stage_close(&one);
}

/* ---- tiles ---- */

/* 3 by 2 tiles, one box in each, the one of the fourth cut by its edge; one big. */
static struct canvas tiled_canvas(void)
{
    struct canvas canvas = canvas_make(3 * WIDE, 2 * HIGH);
    for (unsigned tile = 0; tile < 6; tile++) {
        unsigned char score = (unsigned char)(90 - tile);
        canvas_put(&canvas, tile % 3 * WIDE, tile / 3 * HIGH, tile % BOXES,
                   (unsigned char[]){0, 1, 1, (unsigned char)(tile == 3 ? 4 : 2), score,
                                     (unsigned char)tile});
    }
    return canvas;
}

#define TILES "full_image: false, tile: {width: 2, height: 4, overlap: 0}, "

static void boxes_of_tiles_stand_where_the_tiles_do(void **state)
{
    (void)state;
    struct one_stage one;
    struct canvas canvas = tiled_canvas();
    run_canvases(&one, TILES "merge: {method: nms}, batch: 8", &canvas, 1);
    expect_boxes(&one, 0,
                 (const struct box[]){{0, 1, 1, 2, 0.90F, 0},
                                      {2, 1, 3, 2, 0.89F, 1},
                                      {4, 1, 5, 2, 0.88F, 2},
                                      {0, 5, 1, 8, 0.87F, 3},
                                      {2, 5, 3, 6, 0.86F, 4},
                                      {4, 5, 5, 6, 0.85F, 5}},
                 6);
    assert_int_equal(views_of(&one, 0), 6);
    one_stage_close(&one);
}

static void boxes_at_inner_edges_are_left_out(void **state)
{
    (void)state;
    struct one_stage one;
    struct canvas canvas = canvas_make(3 * WIDE, HIGH);
    for (unsigned char tile = 0; tile < 3; tile++)
        canvas_put(&canvas, tile * WIDE, 0, 0, (unsigned char[]){0, 0, 1, 4, 90, tile});
    run_canvases(&one, TILES "border: 0.5", &canvas, 1);
    /* Upper and lower edge are the picture's; the left one is, of the first tile. */
    expect_boxes(&one, 0, &(struct box){0, 0, 1, 4, 0.9F, 0}, 1);
    one_stage_close(&one);
}

static void wanted_classes_and_best_boxes_alone(void **state)
{
    (void)state;
    struct one_stage one;
    struct canvas canvas = tiled_canvas();
    run_canvases(&one, TILES "classes: [1, 4, 5], max_boxes: 2", &canvas, 1);
    expect_boxes(&one, 0,
                 (const struct box[]){{2, 1, 3, 2, 0.89F, 1}, {2, 5, 3, 6, 0.86F, 4}}, 2);
    one_stage_close(&one);
}

static void sizes_count_at_their_scales(void **state)
{
    (void)state;
    struct one_stage one;
    struct canvas canvas = tiled_canvas();
    /* Areas are 1, and 3 of the fourth. */
    run_canvases(&one, TILES "scales: [1], valid_ranges: [[1.5, 0]]", &canvas, 1);
    expect_boxes(&one, 0, &(struct box){0, 5, 1, 8, 0.87F, 3}, 1);
    one_stage_close(&one);
    canvas = tiled_canvas();
    run_canvases(&one, TILES "scales: [1], valid_ranges: [[0, 1.5]], classes: [2, 3]",
                 &canvas, 1);
    expect_boxes(&one, 0, &(struct box){4, 1, 5, 2, 0.88F, 2}, 1);
    one_stage_close(&one);
}

/* Pictures of several sizes share batches of any size, and nothing shows. */
static void batches_do_not_show(void **state)
{
    (void)state;
    for (int batch = 1; batch <= 16; batch++) {
        struct one_stage one;
        char more[128];
        struct canvas canvases[] = {tiled_canvas(), canvas_make(WIDE, HIGH),
                                    tiled_canvas()};
        canvas_put(&canvases[1], 0, 0, 2, (unsigned char[]){0, 1, 2, 3, 80, 5});
        canvas_put(&canvases[2], 0, HIGH, 2, (unsigned char[]){0, 0, 1, 1, 99, 9});
        (void)snprintf(more, sizeof more, TILES "batch: %d", batch);
        run_canvases(&one, more, canvases, 3);
        assert_int_equal(views_of(&one, 0), 6);
        assert_int_equal(views_of(&one, 1), 1);
        expect_boxes(&one, 1, &(struct box){0, 1, 2, 3, 0.8F, 5}, 1);
        const struct column *boxes = batch_column(one.outcome.batches[0], "boxes");
        assert_int_equal(column_row_length(boxes, 0), 6);
        assert_int_equal(column_row_length(boxes, 2), 7);
        assert_float_equal(((const struct box *)column_row(boxes, 2))->class, 9, 0);
        one_stage_close(&one);
    }
}

/* ---- pyramids ---- */

static void views_follow_the_pictures_size(void **state)
{
    (void)state;
    static const struct {
        const char *more;
        uint32_t width, height;
        int64_t views;
    } cases[] = {
        /* 4 by 4 tiles, 2 by 2 at half size, and the whole. */
        {"pyramid: {factor: 0.5, smallest: 4}, tile: {overlap: 0}", 8, 16, 16 + 4 + 1},
        {"pyramid: {factor: 0.5, smallest: 4, from: 0.5}, tile: {overlap: 0}", 8, 16, 5},
        {"pyramid: {factor: 0.5, smallest: 99}, tile: {overlap: 0}", 8, 16, 16 + 1},
        {"scales: [2], tile: {overlap: 0}, full_image: false", 4, 4, 4 * 2},
        /* One tile that shows all of it stands for the whole, too. */
        {"tile: {auto: true}", 300, 200, 1},
        {"tile: {width: 300, height: 200}", 300, 200, 1},
        {"tile: {width: 299, height: 200}", 300, 200, 2 + 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct one_stage one;
        struct canvas canvas = canvas_make(cases[i].width, cases[i].height);
        run_canvases(&one, cases[i].more, &canvas, 1);
        assert_int_equal(views_of(&one, 0), cases[i].views);
        one_stage_close(&one);
    }
}

/* ---- coarse to fine ---- */

static void a_finer_scale_is_looked_at_where_there_is_reason(void **state)
{
    (void)state;
    struct one_stage one;
    /* At half size its left half says: something unclear lies here. */
    struct canvas canvas = canvas_make(4 * WIDE, 2 * HIGH);
    struct canvas half = canvas_make(2 * WIDE, HIGH);
    canvas_put(&half, 0, 0, 0, (unsigned char[]){0, 0, 1, 1, 30, 0});
    canvas_put(&half, WIDE, 0, 0, (unsigned char[]){0, 1, 2, 3, 90, 4});
    for (uint32_t y = 0; y < canvas.height; y++)
        for (uint32_t x = 0; x < canvas.width; x++)
            memcpy(canvas.pixels + 3 * ((size_t)y * canvas.width + x),
                   half.pixels + 3 * ((size_t)(y / 2) * half.width + x / 2), 3);
    free(half.pixels);
    canvas_put(&canvas, 2 * WIDE, 0, 3,
               (unsigned char[]){0, 0, 1, 1, 99, 1}); /* unseen */
    static const char *const focuses[] = {
        "focus: {threshold: 0.2, small: 0, margin: 0}", "focus: {threshold: 0.2}",
        "focus: {threshold: 0.4, small: 0, margin: 0}", "focus: {threshold: 0}"};
    static const int64_t views[] = {2 + 1, 2 + 2, 2, 2 + 8};
    for (size_t i = 0; i < 4; i++) {
        char more[256];
        struct canvas copy = canvas_make(canvas.width, canvas.height);
        memcpy(copy.pixels, canvas.pixels, (size_t)canvas.width * canvas.height * 3);
        (void)snprintf(more, sizeof more, TILES "scales: [1, 0.5], filter: box, %s",
                       focuses[i]);
        run_canvases(&one, more, &copy, 1);
        assert_int_equal(views_of(&one, 0), views[i]);
        one_stage_close(&one);
    }
    free(canvas.pixels);
}

/* ---- what cannot be used ---- */

static void numbers_that_are_none_cost_their_record(void **state)
{
    (void)state;
    struct one_stage one;
    struct canvas canvases[] = {canvas_make(WIDE, HIGH), canvas_make(WIDE, HIGH)};
    canvas_put(&canvases[0], 0, 0, 0, (unsigned char[]){0, 0, 1, 1, 250, 0});
    canvas_put(&canvases[1], 0, 0, 0, (unsigned char[]){0, 0, 1, 1, 100, 0});
    run_canvases(&one, "batch: 2", canvases, 2);
    assert_int_equal(one.outcome.account.quarantined.records, 1);
    assert_int_equal(one.outcome.batches[0]->count, 1);
    expect_boxes(&one, 0, &(struct box){0, 0, 1, 1, 1, 0}, 1);
    one_stage_close(&one);
}

/* Files: turned ones stand upright, bad ones cost themselves, at any place of a batch. */
static void files_are_turned_and_bad_ones_refused(void **state)
{
    (void)state;
    need_onnx_library();
    struct one_stage one;
    struct bytes files[FILES_MAX] = {{0}};
    struct png_kind kind = {.width = 40,
                            .height = 20,
                            .color_type = SPNG_COLOR_TYPE_TRUECOLOR,
                            .orientation = 1};
    put_png_file(&files[0], &kind);
    bytes_put(&files[1], "no picture", 10);
    kind.orientation = 6;
    put_png_file(&files[2], &kind);
    put_png_file(&files[3], &kind);
    files[3].size /= 2;
    char yaml[256]; /* with a mean that leaves no score above 0 */
    (void)snprintf(yaml, sizeof yaml,
                   "{model: \"%s\", head: end_to_end, input: {mean: [255]}, " TILES "}",
                   model_path);
    one_stage_open(&one, &stage_detect, yaml, file_fields, 2);
    struct column column = {.name = "data", .type = COLUMN_BYTES};
    uint64_t offsets[FILES_MAX + 1] = {0};
    struct bytes data = {0};
    for (size_t i = 0; i < FILES_MAX; i++) {
        bytes_put(&data, files[i].data, files[i].size);
        offsets[i + 1] = data.size;
        bytes_clear(&files[i]);
    }
    column.offsets = offsets;
    column.data = data.data;
    const struct column *columns[] = {&column};
    one_stage_run(&one, make_batch(one.arena, columns, 1, FILES_MAX));
    assert_int_equal(one.outcome.account.quarantined.records, 2);
    assert_int_equal(one.outcome.batches[0]->count, 2);
    assert_int_equal(views_of(&one, 0), 20 * 5);
    assert_int_equal(views_of(&one, 1), 10 * 10); /* 20 wide, 40 high */
    one_stage_close(&one);
    bytes_clear(&data);
}

static void a_row_of_tiles_must_fit_in_memory(void **state)
{
    (void)state;
    struct one_stage one;
    struct canvas canvas = canvas_make(9000, 300);
    run_canvases(&one, "full_image: false, memory: 1MiB, tile: {width: 64, height: 128}",
                 &canvas, 1);
    assert_int_equal(one.outcome.account.quarantined.records, 1);
    assert_int_equal(one.outcome.batch_count, 0);
    one_stage_close(&one);
}

/* ---- what can be batched ---- */

static uint32_t batch_found(const char *path, uint32_t wanted, char *folder)
{
    char target[128];
    struct head_options head_options = {
        .bins = -1, .center = -1, .scale_xy = -1, .top = -1, .cells = -1, .boxes = -1};
    struct input_options input = {.multiple = -1};
    struct detector_setup setup = {.model = path,
                                   .head = "end_to_end",
                                   .head_options = &head_options,
                                   .input = &input,
                                   .threshold = 0.5,
                                   .batch = wanted};
    struct detector *detector = NULL;
    struct error error = {0};
    (void)snprintf(target, sizeof target, "%s/prepared", folder);
    if (detector_prepare(&setup, target, &error) != OK)
        fail_msg("%s", error.text);
    FILE *file = fopen(target, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size_t size = (size_t)ftell(file);
    rewind(file);
    unsigned char *prepared = aligned_alloc(4096, (size + 4095) / 4096 * 4096);
    assert_non_null(prepared);
    assert_int_equal(fread(prepared, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(unlink(target), 0);
    if (detector_open(&setup, prepared, size, &detector, &error) != OK)
        fail_msg("%s", error.text);
    uint32_t batch = detector->batch;
    detector_close(detector);
    /* One cut short, and one of another library, are refused. */
    assert_int_equal(detector_open(&setup, prepared, 100, &detector, &error),
                     ERROR_DAMAGED);
    assert_int_equal(detector_open(&setup, prepared, size - 8, &detector, &error),
                     ERROR_DAMAGED);
    prepared[16]++;
    assert_int_equal(detector_open(&setup, prepared, size, &detector, &error),
                     ERROR_DAMAGED);
    assert_non_null(strstr(error.text, "the library here is"));
    free(prepared);
    return batch;
}

static void models_that_mix_a_batch_get_no_batch(void **state)
{
    (void)state;
    need_onnx_library();
    char folder[] = "/tmp/test_detect.XXXXXX";
    assert_non_null(mkdtemp(folder));
    assert_int_equal(batch_found(model_path, 8, folder), 8);
    assert_int_equal(batch_found(model_path, 7, folder), 4);
    assert_int_equal(batch_found(model_path, 1, folder), 1);
    assert_int_equal(batch_found(mixing_path, 8, folder), 1);
    assert_int_equal(rmdir(folder), 0);
}

/* ---- options ---- */

static void wrong_options_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *more, *text;
    } cases[] = {
        {"family: yolo5", "no family \"yolo5\"; did you mean \"yolov5\"?"},
        {"full_image: false",
         "without \"full_image\" stage detect needs \"tile\", \"scales\" or \"pyramid\": "
         "there is nothing to look at"},
        {"scales: [1, 0.5], pyramid: {factor: 0.5}",
         "\"scales\" cannot stand beside \"pyramid\": either lists the sizes or says how "
         "they follow"},
        {"scales: [1, 0.5], valid_ranges: [[0, 90]]",
         "\"valid_ranges\" needs a pair for each of \"scales\": there are 1 pairs for 2 "
         "scales"},
        {"scales: [1], focus: {threshold: 0.3}",
         "\"focus\" needs several \"scales\" or a \"pyramid\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct one_stage one;
        assert_int_equal(one_stage_plan(&one, &stage_detect,
                                        yaml_of(model_path, cases[i].more), canvas_fields,
                                        2),
                         ERROR_CONFIG);
        assert_string_equal(one.error.text, cases[i].text);
        arena_destroy(one.arena);
    }
}

static void models_that_are_none_are_told(void **state)
{
    (void)state;
    need_onnx_library();
    static const struct {
        const char *more, *text;
    } cases[] = {
        {"input: {width: 5}", "takes pictures 2 pixels wide, not 5"},
        {"input: {mean: [1, 2]}", "are one number or three"},
        {"family: yolov5", "name the family that the model is of"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct one_stage one;
        char yaml[256];
        (void)snprintf(yaml, sizeof yaml, "{model: \"%s\", %s}", model_path,
                       cases[i].more);
        assert_int_equal(one_stage_plan(&one, &stage_detect, yaml, canvas_fields, 2), OK);
        enum error_code code = chain_open(&one.phase, NULL, NULL, &one.chain, &one.error);
        assert_int_equal(code, ERROR_CONFIG);
        if (!strstr(one.error.text, cases[i].text))
            fail_msg("%s", one.error.text);
        chain_close(one.chain);
        arena_destroy(one.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_picture_is_looked_at),
        cmocka_unit_test(boxes_are_brought_to_the_original),
        cmocka_unit_test(a_picture_without_boxes_has_an_empty_list),
        cmocka_unit_test(boxes_of_tiles_stand_where_the_tiles_do),
        cmocka_unit_test(boxes_at_inner_edges_are_left_out),
        cmocka_unit_test(wanted_classes_and_best_boxes_alone),
        cmocka_unit_test(sizes_count_at_their_scales),
        cmocka_unit_test(batches_do_not_show),
        cmocka_unit_test(views_follow_the_pictures_size),
        cmocka_unit_test(a_finer_scale_is_looked_at_where_there_is_reason),
        cmocka_unit_test(numbers_that_are_none_cost_their_record),
        cmocka_unit_test(files_are_turned_and_bad_ones_refused),
        cmocka_unit_test(a_row_of_tiles_must_fit_in_memory),
        cmocka_unit_test(models_that_mix_a_batch_get_no_batch),
        cmocka_unit_test(wrong_options_are_told),
        cmocka_unit_test(models_that_are_none_are_told),
    };
    return cmocka_run_group_tests(tests, setup_models, remove_models);
}
