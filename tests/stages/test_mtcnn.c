/* test_mtcnn.c - faces of the mosaic are found, alone as in company; what is wrong is told
 *
 * With real networks, those of the shared data; and with what are none. */
#include "tests/stages/one_stage.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/bytes.h"
#include "stages/kernels/box.h"
#include "stages/kernels/image_decode.h"
#include "stages/kernels/mtcnn_cascade.h"
#include "tests/onnx_library.h"
#include "tests/onnx_writer.h"
#include "tests/text_goldens.h"

extern const struct stage_type stage_mtcnn;

static const struct schema_field image_fields[] = {{"key", COLUMN_UTF8, 0},
                                                   {"data", COLUMN_IMAGE_U8, 0}};

/* The folder of the networks, absolute. */
static char models[PATH_MAX + 600];

static void need_models(void)
{
    char path[512], folder[PATH_MAX];
    need_onnx_library();
    assert_non_null(getcwd(folder, sizeof folder));
    (void)shared_path(path, "models");
    (void)snprintf(models, sizeof models, "%s%s%s", path[0] == '/' ? "" : folder,
                   path[0] == '/' ? "" : "/", path);
    if (access(models, R_OK) != 0) {
        print_message("the networks are not here: no shared data\n");
        skip();
    }
}

/* A part of the mosaic with faces of 80 to 220 pixels. */
enum { PART_X = 2600, PART_Y = 100, PART_WIDTH = 700, PART_HEIGHT = 320 };

static unsigned char *part_of_mosaic(void)
{
    char path[512];
    struct bytes room = {0}, file = load_file(shared_path(
                                 path, "images/faces/mosaic_faces_4096x3072.jpg"));
    struct image_rules rules = {.max_pixels = 1 << 30, .memory = 1 << 30};
    struct picture picture;
    struct image_fault fault;
    assert_int_equal(
        picture_decode(file.data, file.size, &rules, 0, 0, &room, &picture, &fault), OK);
    unsigned char *part = malloc((size_t)PART_WIDTH * PART_HEIGHT * 3);
    assert_non_null(part);
    for (size_t y = 0; y < PART_HEIGHT; y++)
        memcpy(part + y * PART_WIDTH * 3,
               picture.pixels + ((PART_Y + y) * picture.width + PART_X) * 3,
               (size_t)PART_WIDTH * 3);
    bytes_clear(&room);
    bytes_clear(&file);
    return part;
}

/* Pictures (count) of the same size; freed by the arena. */
static struct batch *picture_batch(struct arena *arena,
                                   const unsigned char *const *pixels, uint32_t count,
                                   uint32_t width, uint32_t height)
{
    struct column *column = ARENA_NEW(arena, struct column, 1);
    size_t size = (size_t)width * height * 3;
    uint64_t *offsets = ARENA_NEW(arena, uint64_t, (size_t)count + 1);
    uint32_t *shapes = ARENA_NEW(arena, uint32_t, (size_t)count * 3);
    unsigned char *data = ARENA_NEW(arena, unsigned char, count *size);
    for (uint32_t i = 0; i < count; i++) {
        shapes[3 * i] = height;
        shapes[3 * i + 1] = width;
        shapes[3 * i + 2] = 3;
        offsets[i + 1] = offsets[i] + size;
        memcpy(data + i * size, pixels[i], size);
    }
    *column = (struct column){.name = "data",
                              .type = COLUMN_IMAGE_U8,
                              .offsets = offsets,
                              .data = data,
                              .shapes = shapes};
    const struct column *columns[] = {column};
    return make_batch(arena, columns, 1, count);
}

static const char *models_yaml(const char *more)
{
    static char yaml[sizeof models + 256];
    (void)snprintf(yaml, sizeof yaml, "{models: \"%s\"%s}", models, more);
    return yaml;
}

static const struct column *column_of(struct one_stage *one, const char *name)
{
    const struct column *column = batch_column(one->outcome.batches[0], name);
    assert_non_null(column);
    return column;
}

static void faces_are_found_with_their_points(void **state)
{
    (void)state;
    need_models();
    struct one_stage one;
    unsigned char *part = part_of_mosaic();
    const unsigned char *pictures[] = {part};
    one_stage_open(&one, &stage_mtcnn, models_yaml(", min_face: 40"), image_fields, 2);
    one_stage_run(&one, picture_batch(one.arena, pictures, 1, PART_WIDTH, PART_HEIGHT));
    const struct column *boxes = column_of(&one, "boxes");
    const struct column *points = column_of(&one, "landmarks");
    uint64_t count = column_row_length(boxes, 0);
    assert_int_equal(count, 3);
    assert_int_equal(column_row_length(points, 0), 10 * count);
    const struct box *box = column_row(boxes, 0);
    const float *point = column_row(points, 0);
    for (uint64_t i = 0; i < count; i++, box++, point += 10) {
        assert_true(box->score > 0.9F && box->score <= 1.0F);
        assert_float_equal(box->class, 0, 0);
        for (size_t k = 0; k < 5; k++) {
            assert_true(point[2 * k] > box->x1 && point[2 * k] < box->x2);
            assert_true(point[2 * k + 1] > box->y1 && point[2 * k + 1] < box->y2);
        }
        /* Left eye left of the right one, both above the mouth. */
        assert_true(point[0] < point[2] && point[6] < point[8]);
        assert_true(point[1] < point[7] && point[3] < point[9]);
    }
    one_stage_close(&one);
    free(part);
}

/* The same picture at three places of a batch, and in another batch: the same bits. */
static void company_does_not_show(void **state)
{
    (void)state;
    need_models();
    unsigned char *part = part_of_mosaic();
    unsigned char *blank = calloc((size_t)PART_WIDTH * PART_HEIGHT, 3);
    assert_non_null(blank);
    const unsigned char *alone[] = {part}, *many[] = {part, blank, part, part};
    struct one_stage one, all;
    one_stage_open(&one, &stage_mtcnn, models_yaml(""), image_fields, 2);
    one_stage_run(&one, picture_batch(one.arena, alone, 1, PART_WIDTH, PART_HEIGHT));
    one_stage_open(&all, &stage_mtcnn, models_yaml(""), image_fields, 2);
    one_stage_run(&all, picture_batch(all.arena, many, 4, PART_WIDTH, PART_HEIGHT));
    static const char *const names[] = {"boxes", "landmarks"};
    for (size_t i = 0; i < 2; i++) {
        const struct column *a = column_of(&one, names[i]);
        const struct column *b = column_of(&all, names[i]);
        size_t size = column_row_length(a, 0) * column_element_size(a->type);
        assert_true(size > 0);
        for (uint32_t row = 0; row < 4; row++) {
            assert_int_equal(column_row_length(b, row),
                             row == 1 ? 0 : column_row_length(a, 0));
            if (row != 1)
                assert_memory_equal(column_row(a, 0), column_row(b, row), size);
        }
    }
    one_stage_close(&one);
    one_stage_close(&all);
    free(blank);
    free(part);
}

/* Levels are given to the first network in bands: those of a high picture are found as if
 * it had been cut. */
static void bands_do_not_lose_faces(void **state)
{
    (void)state;
    need_models();
    enum { TIMES = 8 };
    unsigned char *part = part_of_mosaic();
    size_t size = (size_t)PART_WIDTH * PART_HEIGHT * 3;
    unsigned char *high = malloc(TIMES * size);
    assert_non_null(high);
    for (size_t i = 0; i < TIMES; i++)
        memcpy(high + i * size, part, size);
    const unsigned char *pictures[] = {high};
    struct one_stage one;
    one_stage_open(&one, &stage_mtcnn, models_yaml(", min_face: 12"), image_fields, 2);
    one_stage_run(&one,
                  picture_batch(one.arena, pictures, 1, PART_WIDTH, TIMES * PART_HEIGHT));
    size_t found[TIMES] = {0};
    const struct column *boxes = column_of(&one, "boxes");
    const struct box *box = column_row(boxes, 0);
    for (uint64_t i = 0; i < column_row_length(boxes, 0); i++)
        if (box[i].x2 - box[i].x1 > 60)
            found[(size_t)((box[i].y1 + box[i].y2) / 2) / PART_HEIGHT]++;
    for (size_t i = 0; i < TIMES; i++)
        assert_int_equal(found[i], 3);
    one_stage_close(&one);
    free(high);
    free(part);
}

static void what_does_not_fit_is_told(void **state)
{
    (void)state;
    need_models();
    struct one_stage one;
    unsigned char *blank = calloc(4000 * 3000, 3);
    assert_non_null(blank);
    const unsigned char *pictures[] = {blank};
    one_stage_open(&one, &stage_mtcnn, models_yaml(", memory: 8MiB, min_face: 12"),
                   image_fields, 2);
    one_stage_run(&one, picture_batch(one.arena, pictures, 1, 4000, 3000));
    assert_int_equal(one.outcome.account.quarantined.records, 1);
    one_stage_close(&one);
    free(blank);
}

/* ---- networks that are none ---- */

static void put_model(const char *folder, const char *name, struct bytes *model)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(model->data, 1, model->size, file), model->size);
    assert_int_equal(fclose(file), 0);
    bytes_clear(model);
}

/* Takes pictures of any size, and gives them back. */
static struct bytes identity_model(void)
{
    static const int64_t any[] = {-1, 3, -2, -2};
    struct bytes graph = {0};
    onnx_put_node(&graph, "Identity", "pixels", NULL, "same", NULL);
    onnx_put_port(&graph, 11, "pixels", WRITE_F32, any, 4);
    onnx_put_port(&graph, 12, "same", WRITE_F32, any, 4);
    return onnx_model(&graph);
}

static void wrong_folders_are_told(void **state)
{
    (void)state;
    struct one_stage one;
    char folder[] = "/tmp/test_mtcnn.XXXXXX", yaml[256], path[256];
    static const char *const names[] = {"pnet.onnx", "mtcnn-rnet.onnx", "onet.onnx"};
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i <= 3; i++) {
        (void)snprintf(yaml, sizeof yaml, "{models: \"%s\"%s}", folder,
                       i == 3 ? ", thresholds: [0.5]" : "");
        assert_int_equal(one_stage_plan(&one, &stage_mtcnn, yaml, image_fields, 2),
                         ERROR_CONFIG);
        static const char *const missing[] = {"no pnet.onnx in", "no rnet.onnx in",
                                              "no onet.onnx in", "three numbers"};
        assert_non_null(strstr(one.error.text, missing[i]));
        arena_destroy(one.arena);
        if (i < 3) {
            struct bytes model = identity_model();
            put_model(folder, names[i], &model);
        }
    }
    if (*onnx_library_path()) { /* they are models, but no networks of MTCNN */
        need_onnx_library();
        (void)snprintf(yaml, sizeof yaml, "{models: \"%s\"}", folder);
        assert_int_equal(one_stage_plan(&one, &stage_mtcnn, yaml, image_fields, 2), OK);
        assert_int_equal(chain_open(&one.phase, NULL, NULL, &one.chain, &one.error),
                         ERROR_CONFIG);
        assert_non_null(strstr(one.error.text, "pnet.onnx does not give what a network"));
        arena_destroy(one.arena);
    }
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faces_are_found_with_their_points),
        cmocka_unit_test(company_does_not_show),
        cmocka_unit_test(bands_do_not_lose_faces),
        cmocka_unit_test(what_does_not_fit_is_told),
        cmocka_unit_test(wrong_folders_are_told),
    };
    return cmocka_run_group_tests(tests, open_onnx_library_first, NULL);
}
