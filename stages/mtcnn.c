/* mtcnn.c - stage: find faces, with five points of each, by MTCNN's three networks */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/arena.h"
#include "core/column_builder.h"
#include "stages/image_stage.h"
#include "stages/kernels/head.h"
#include "stages/kernels/mtcnn_cascade.h"
#include "stages/kernels/onnx_runtime.h"

enum { WORK_BLOCK = 1 << 20, KEPT_MAX = 64 << 20, PATH_SIZE = 4096 };

struct options {
    struct image_common common;
    const char *models;
    double min_face, factor;
    struct real_list thresholds;
    int64_t max_boxes;
};

struct state {
    struct mtcnn *mtcnn; /* owned */
    struct mtcnn_rule rule;
    struct image_rules rules;
    struct column_builder boxes, landmarks;
    struct bytes room;  /* owned: a picture */
    struct arena *work; /* owned: of a picture */
};

static const struct option_spec option_table[] = {
    IMAGE_COMMON_OPTIONS,
    {.name = "models",
     .type = OPTION_PATH,
     .offset = offsetof(struct options, models),
     .help =
         "Folder of the networks: mtcnn-pnet.onnx, mtcnn-rnet.onnx, mtcnn-onet.onnx, or "
         "the same without mtcnn-"},
    {.name = "min_face",
     .type = OPTION_REAL,
     .offset = offsetof(struct options, min_face),
     .initial = "20",
     .min = 1,
     .max = 1e6,
     .help =
         "Side of the smallest face, in pixels; twice as large takes a quarter of the "
         "time"},
    {.name = "factor",
     .type = OPTION_REAL,
     .offset = offsetof(struct options, factor),
     .initial = "0.709",
     .min = 0.1,
     .max = 0.95,
     .help = "From one level of the pyramid to the next"},
    {.name = "thresholds",
     .type = OPTION_REAL_LIST,
     .offset = offsetof(struct options, thresholds),
     .initial = "[0.6, 0.7, 0.7]",
     .min = 0,
     .max = 1,
     .help = "What the three networks must say at least"},
    {.name = "max_boxes",
     .type = OPTION_INT,
     .offset = offsetof(struct options, max_boxes),
     .initial = "0",
     .min = 0,
     .max = 1e9,
     .help = "The best so many of a picture; 0: all"},
    OPTION_END};

/* ---- plan ---- */

struct paths {
    char texts[MTCNN_NETWORKS][PATH_SIZE];
    const char *items[MTCNN_NETWORKS];
};

/* The network that is missing, or NULL. */
static const char *find_models(const char *folder, struct paths *paths)
{
    static const char *const names[MTCNN_NETWORKS] = {"pnet.onnx", "rnet.onnx",
                                                      "onet.onnx"};
    static const char *const prefixes[] = {"mtcnn-", ""};
    struct stat status;
    for (size_t i = 0; i < MTCNN_NETWORKS; i++) {
        paths->items[i] = NULL;
        for (size_t k = 0; k < 2 && !paths->items[i]; k++) {
            int size = snprintf(paths->texts[i], PATH_SIZE, "%s/%s%s", folder,
                                prefixes[k], names[i]);
            if (size < PATH_SIZE && stat(paths->texts[i], &status) == 0)
                paths->items[i] = paths->texts[i];
        }
        if (!paths->items[i])
            return names[i];
    }
    return NULL;
}

static enum error_code plan(const void *raw, struct schema *schema,
                            const struct stage_place *place, struct error *error)
{
    const struct options *options = raw;
    struct paths paths;
    enum error_code code =
        image_stage_plan(&options->common, schema, place, "mtcnn", error);
    if (code != OK)
        return code;
    const char *missing = place->is_checked ? NULL : find_models(options->models, &paths);
    if (missing)
        return error_set_at(error, stage_option_position(place, "models"),
                            "\"models\" must be a folder with mtcnn-pnet.onnx, "
                            "mtcnn-rnet.onnx and mtcnn-onet.onnx: there is no %s in %s",
                            missing, options->models);
    if (options->thresholds.count != MTCNN_NETWORKS)
        return error_set_at(error, stage_option_position(place, "thresholds"),
                            "\"thresholds\" must be three numbers, one for each network");
    code = schema_put(schema, "boxes", COLUMN_LIST_BOX, 0, error);
    return code == OK ? schema_put(schema, "landmarks", COLUMN_LIST_F32, 0, error) : code;
}

/* ---- life ---- */

static enum error_code prepare(const void *raw, const char *path, struct error *error)
{
    const struct options *options = raw;
    struct paths paths;
    const char *missing = find_models(options->models, &paths);
    if (missing)
        return error_set(error, ERROR_CONFIG, "there is no %s in %s", missing,
                         options->models);
    return mtcnn_prepare(paths.items, path, error);
}

static enum error_code name_library(char name[STAGE_LIBRARY_SIZE], struct error *error)
{
    return onnx_runtime_copy_name(name, STAGE_LIBRARY_SIZE, error);
}

static enum error_code open_mtcnn(struct stage *self, struct error *error)
{
    struct state *state = self->state;
    const struct options *options = self->options;
    struct paths paths;
    state->rules = image_stage_rules(&options->common);
    state->rule =
        (struct mtcnn_rule){.min_face = options->min_face, .factor = options->factor};
    for (size_t i = 0; i < MTCNN_NETWORKS; i++)
        state->rule.thresholds[i] = (float)options->thresholds.items[i];
    state->boxes = (struct column_builder){.name = "boxes", .type = COLUMN_LIST_BOX};
    state->landmarks =
        (struct column_builder){.name = "landmarks", .type = COLUMN_LIST_F32};
    state->work = arena_create(WORK_BLOCK, 0);
    if (!state->work)
        return error_set(error, ERROR_MEMORY, "no memory to detect");
    const char *missing = find_models(options->models, &paths);
    if (missing)
        return error_set(error, ERROR_CONFIG, "there is no %s in %s", missing,
                         options->models);
    return mtcnn_open(paths.items, self->prepared, self->prepared_size, &state->mtcnn,
                      error);
}

static void close_mtcnn(struct stage *self)
{
    struct state *state = self->state;
    mtcnn_close(state->mtcnn);
    arena_destroy(state->work);
    column_builder_clear(&state->boxes);
    column_builder_clear(&state->landmarks);
    bytes_clear(&state->room);
}

/* ---- pictures ---- */

static enum error_code put_faces(struct state *state, const struct options *options,
                                 const struct mtcnn_boxes *found, uint32_t width,
                                 uint32_t height)
{
    size_t count = found->count;
    if (options->max_boxes > 0 && count > (uint64_t)options->max_boxes)
        count = (size_t)options->max_boxes;
    size_t box_size = sizeof(struct detection), points_size = sizeof(float[10]);
    unsigned char *boxes = column_builder_begin_row(&state->boxes, count * box_size);
    unsigned char *points =
        column_builder_begin_row(&state->landmarks, count * points_size);
    if (!boxes || !points)
        return ERROR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        struct detection box = mtcnn_detection(&found->items[i], width, height);
        memcpy(boxes + i * box_size, &box, box_size);
        memcpy(points + i * points_size, found->items[i].points, points_size);
    }
    column_builder_end_row(&state->boxes, count * box_size);
    column_builder_end_row(&state->landmarks, count * points_size);
    return OK;
}

/* What the pyramid takes is not there for decoding. */
static enum error_code keep_memory(const struct state *state, uint32_t width,
                                   uint32_t height, struct image_rules *rules,
                                   struct image_fault *fault)
{
    uint64_t needed = mtcnn_bytes(&state->rule, width, height);
    *rules = state->rules;
    if (needed < rules->memory) {
        rules->memory -= needed;
        return OK;
    }
    fault->reason = "needs_memory";
    (void)snprintf(fault->detail, sizeof fault->detail,
                   "its pyramid takes %llu MiB, memory is %llu MiB",
                   (unsigned long long)(needed >> 20) + 1,
                   (unsigned long long)(rules->memory >> 20));
    return ERROR_RECORD;
}

static enum error_code find_faces(struct stage *self, const struct column *column,
                                  uint32_t row, struct image_fault *fault)
{
    struct state *state = self->state;
    struct image_rules rules;
    struct picture picture;
    struct error error = {0};
    uint32_t width, height;
    arena_reset(state->work);
    struct mtcnn_boxes found = {.arena = state->work};
    enum error_code code = image_stage_measure(column, row, &width, &height, fault);
    if (code == OK)
        code = keep_memory(state, width, height, &rules, fault);
    if (code == OK)
        code =
            image_stage_picture(column, row, &rules, 0, 0, &state->room, &picture, fault);
    if (code == OK) {
        code = mtcnn_find(state->mtcnn, &state->rule, picture.pixels, picture.width,
                          picture.height, &found, &error);
        if (code == ERROR_RECORD) {
            fault->reason = "bad_output";
            (void)snprintf(fault->detail, sizeof fault->detail, "%.190s", error.text);
        }
    }
    if (code == OK)
        return put_faces(state, self->options, &found, picture.width, picture.height);
    column_builder_put_null(&state->boxes);
    column_builder_put_null(&state->landmarks);
    return code;
}

static enum error_code deliver(struct column_builder *builder,
                               struct stage_output *output, struct error *error)
{
    const struct column *column =
        column_builder_finish(builder, stage_output_arena(output));
    if (builder->data.capacity > KEPT_MAX)
        column_builder_clear(builder);
    return column ? stage_output_set(output, column, error)
                  : error_set(error, ERROR_MEMORY, "no memory for faces");
}

static enum error_code process(struct stage *self, const struct batch *in,
                               struct stage_output *output, struct error *error)
{
    struct state *state = self->state;
    const struct options *options = self->options;
    column_builder_reset(&state->boxes);
    column_builder_reset(&state->landmarks);
    enum error_code code =
        image_stage_visit(self, in, output, &options->common, find_faces, error);
    if (state->room.capacity > KEPT_MAX)
        bytes_clear(&state->room);
    if (code == OK)
        code = deliver(&state->boxes, output, error);
    return code == OK ? deliver(&state->landmarks, output, error) : code;
}

const struct stage_type stage_mtcnn = {
    .name = "mtcnn",
    .summary = "Find faces and five points of each, by MTCNN's three networks",
    .description =
        "Adds boxes (list<box>: x1, y1, x2, y2, score, class 0), continuous edges in "
        "pixels "
        "of the upright original, the best first, and landmarks (list<f32>), ten numbers "
        "a "
        "box: x and y of the left and right eye, the nose, the left and right corner of "
        "the "
        "mouth, left and right as in the picture. The cascade is that of the authors' "
        "program and of facenet-pytorch: a pyramid for the first network, which "
        "proposes, "
        "suppression, then the second and the third for what was proposed. Pictures are "
        "decoded as a whole. One that cannot be decoded, or on which a network gives "
        "numbers "
        "that are none, is quarantined with its reason. Networks run in ONNX Runtime, as "
        "those of the stage detect.",
    .traits = STAGE_STATELESS | STAGE_ONE_TO_ONE,
    .columns = (const struct stage_column[]){{"data", COLUMN_BYTES, true},
                                             {"boxes", COLUMN_LIST_BOX, false},
                                             {"landmarks", COLUMN_LIST_F32, false},
                                             {.name = NULL}},
    .options = option_table,
    .options_size = sizeof(struct options),
    .state_size = sizeof(struct state),
    .plan = plan,
    .prepare = prepare,
    .library = name_library,
    .open = open_mtcnn,
    .process = process,
    .close = close_mtcnn};
