/* resize.c - stage: pictures in another size, as pixels or as files */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "stages/image_stage.h"
#include "stages/kernels/resample.h"
#include "stages/kernels/resize_plan.h"
#include "stages/picture_column.h"

enum { BAND = 16, SIDE_MAX = 65535, KEPT = 64 << 20 };

struct options {
    struct image_common common;
    int64_t width, height;
    double scale;
    int fit, filter;
    struct picture_options made;
    bool enlarge, draft;
    const char *into;
};

struct state {
    struct image_rules rules;
    struct bytes band, stored, upright; /* owned: of one picture */
    struct picture_column made;         /* owned: what all rows give */
};

static const char *const fits[] = {"inside", "cover", "pad", "stretch", NULL};
static const char *const filters[] = {"box",     "bilinear", "bicubic",
                                      "lanczos", "area",     NULL};

static const struct option_spec option_table[] = {
    IMAGE_COMMON_OPTIONS,
    {.name = "width",
     .type = OPTION_INT,
     .offset = offsetof(struct options, width),
     .initial = "0",
     .min = 0,
     .max = SIDE_MAX,
     .help = "Width wanted; 0: as height and the picture's shape say"},
    {.name = "height",
     .type = OPTION_INT,
     .offset = offsetof(struct options, height),
     .initial = "0",
     .min = 0,
     .max = SIDE_MAX,
     .help = "Height wanted; 0: as width and the picture's shape say"},
    {.name = "scale",
     .type = OPTION_REAL,
     .offset = offsetof(struct options, scale),
     .initial = "0",
     .min = 0,
     .max = 64,
     .help = "Both sides by this factor, in place of width and height"},
    {.name = "fit",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct options, fit),
     .initial = "inside",
     .choices = fits,
     .help =
         "inside: as large as fits, its shape kept; cover: the shape kept, what stands "
         "out cut off; pad: as inside, on background of the size wanted; stretch: the "
         "size wanted whatever the shape"},
    {.name = "enlarge",
     .type = OPTION_BOOL,
     .offset = offsetof(struct options, enlarge),
     .initial = "true",
     .help = "Make small pictures larger, too; false: they keep their size"},
    {.name = "filter",
     .type = OPTION_CHOICE,
     .offset = offsetof(struct options, filter),
     .initial = "bilinear",
     .choices = filters,
     .help = "How pixels are weighed: as Pillow's filters of these names, which are "
             "widened for smaller pictures; area: by what is covered, as OpenCV's"},
    {.name = "draft",
     .type = OPTION_BOOL,
     .offset = offsetof(struct options, draft),
     .initial = "true",
     .help =
         "Decode a JPEG at a half, a quarter or an eighth when that is still twice the "
         "size wanted: much faster, hardly to be seen"},
    PICTURE_OPTIONS(struct options, made, "pixels"),
    {.name = "into",
     .type = OPTION_TEXT,
     .offset = offsetof(struct options, into),
     .initial = "image",
     .help = "Column that is added, or replaced"},
    OPTION_END};

static enum error_code plan(const void *raw, struct schema *schema,
                            const struct stage_place *place, struct error *error)
{
    const struct options *options = raw;
    enum error_code code =
        image_stage_plan(&options->common, schema, place, "resize", error);
    if (code != OK)
        return code;
    bool has_size = options->width > 0 || options->height > 0;
    if (options->scale == 0 && !has_size)
        return error_set_at(error, place->stage,
                            "stage resize needs width, height or scale");
    if (options->scale > 0 && has_size)
        return error_set_at(error, stage_option_position(place, "scale"),
                            "\"scale\" cannot stand beside width or height");
    if (strcmp(options->into, "key") == 0 || options->into[0] == 0)
        return error_set_at(error, stage_option_position(place, "into"),
                            "\"into\" must be the name of a column other than key");
    return schema_put(schema, options->into, picture_output_type(options->made.output), 0,
                      error);
}

static enum error_code open_resize(struct stage *self, struct error *error)
{
    struct state *state = self->state;
    const struct options *options = self->options;
    (void)error;
    state->rules = image_stage_rules(&options->common);
    state->made = (struct picture_column){.options = options->made};
    return OK;
}

static struct resize_wish wish_of(const struct options *options)
{
    return (struct resize_wish){.width = (uint32_t)options->width,
                                .height = (uint32_t)options->height,
                                .scale = options->scale,
                                .fit = (enum resize_fit)options->fit,
                                .enlarges = options->enlarge};
}

/* All rows through the resampler, to `stored` (height, width, 3), not yet upright. */
static enum error_code resample(struct state *state, struct picture_source *source,
                                uint32_t width, uint32_t height, int filter,
                                struct image_fault *fault)
{
    size_t from_row = (size_t)source->shape.width * 3, to_row = (size_t)width * 3;
    uint32_t got = 1, done = 0;
    bytes_reset(&state->band);
    bytes_reset(&state->stored);
    unsigned char *band = bytes_reserve(&state->band, from_row * BAND);
    unsigned char *stored = bytes_reserve(&state->stored, to_row * height);
    struct resampler *resampler =
        resampler_create(source->shape.width, source->shape.height, width, height, 3,
                         (enum resample_filter)filter);
    enum error_code code = band && stored && resampler ? OK : ERROR_MEMORY;
    while (code == OK && got > 0) {
        code = picture_source_rows(source, band, BAND, &got, fault);
        for (uint32_t y = 0; code == OK && y < got; y++) {
            resampler_push(resampler, band + y * from_row);
            while (resampler_pull(resampler, stored + done * to_row))
                done++;
        }
    }
    resampler_destroy(resampler);
    return code == OK ? picture_source_finish(source, fault) : code;
}

/* Upright, cut and padded: what comes out. NULL: no memory. */
static const unsigned char *finish_picture(struct state *state, unsigned orientation,
                                           const struct resize_plan *plan)
{
    bool is_turned = orientation >= 5;
    uint32_t width = is_turned ? plan->height : plan->width;
    uint32_t height = is_turned ? plan->width : plan->height;
    size_t size = (size_t)plan->width * plan->height * 3;
    size_t out_row = (size_t)plan->out_width * 3;
    bytes_reset(&state->upright);
    unsigned char *upright =
        bytes_reserve(&state->upright, size + out_row * plan->out_height);
    if (!upright)
        return NULL;
    picture_orient_rows(state->stored.data, (size_t)width * 3, 0, height, width, height,
                        3, orientation, upright);
    if (plan->out_width == plan->width && plan->out_height == plan->height)
        return upright;
    unsigned char *out = upright + size;
    resize_frame(plan, upright, state->rules.background, out);
    return out;
}

/* The size that the picture is decoded in need not be more than twice of what is wanted. */
static enum error_code open_picture(struct state *state, const struct options *options,
                                    const struct column *column, uint32_t row,
                                    struct picture_source *source,
                                    struct resize_plan *planned,
                                    struct image_fault *fault)
{
    struct resize_wish wish = wish_of(options);
    uint32_t least_width = 0, least_height = 0, width, height;
    struct image_header header;
    if (options->draft && column->type == COLUMN_BYTES && column_is_valid(column, row) &&
        !image_header_read(column_row(column, row),
                           (size_t)column_row_length(column, row), &header, NULL)) {
        image_upright_size(&header, &width, &height);
        struct resize_plan early = resize_plan_of(width, height, &wish);
        least_width = early.width < SIDE_MAX ? 2 * early.width : 0;
        least_height = early.height < SIDE_MAX ? 2 * early.height : 0;
    }
    enum error_code code = picture_source_open(column, row, &state->rules, least_width,
                                               least_height, source, fault);
    if (code != OK)
        return code;
    bool is_turned = source->shape.orientation >= 5;
    width = is_turned ? source->shape.full_height : source->shape.full_width;
    height = is_turned ? source->shape.full_width : source->shape.full_height;
    *planned = resize_plan_of(width, height, &wish);
    return resize_check_memory(planned, state->rules.memory, fault);
}

static enum error_code resize_picture(struct stage *self, const struct column *column,
                                      uint32_t row, struct image_fault *fault)
{
    struct state *state = self->state;
    const struct options *options = self->options;
    struct picture_source source = {0};
    struct resize_plan planned = {0};
    enum error_code code =
        open_picture(state, options, column, row, &source, &planned, fault);
    bool is_turned = source.shape.orientation >= 5;
    if (code == OK)
        code =
            resample(state, &source, is_turned ? planned.height : planned.width,
                     is_turned ? planned.width : planned.height, options->filter, fault);
    if (code == OK) {
        const unsigned char *out =
            finish_picture(state, source.shape.orientation, &planned);
        code = out ? picture_column_put(&state->made, out, planned.out_width,
                                        planned.out_height, fault)
                   : ERROR_MEMORY;
    }
    if (code != OK)
        picture_column_put_none(&state->made);
    picture_source_close(&source);
    return code;
}

static void shrink(struct bytes *buffer)
{
    if (buffer->capacity > KEPT)
        bytes_clear(buffer);
}

static enum error_code process(struct stage *self, const struct batch *in,
                               struct stage_output *output, struct error *error)
{
    const struct options *options = self->options;
    struct state *state = self->state;
    struct column made;
    picture_column_reset(&state->made);
    enum error_code code =
        image_stage_visit(self, in, output, &options->common, resize_picture, error);
    if (code == OK)
        code = picture_column_finish(&state->made, options->into,
                                     stage_output_arena(output), &made, error);
    if (code == OK)
        code = stage_output_set(output, &made, error);
    shrink(&state->stored);
    shrink(&state->upright);
    return code;
}

static void close_resize(struct stage *self)
{
    struct state *state = self->state;
    bytes_clear(&state->band);
    bytes_clear(&state->stored);
    bytes_clear(&state->upright);
    picture_column_clear(&state->made);
}

const struct stage_type stage_resize = {
    .name = "resize",
    .summary = "Bring pictures to another size, as pixels or as files",
    .description =
        "Decodes a picture row by row, brings it to the size wanted and puts it upright, "
        "so "
        "that memory is bounded by the smaller picture and a JPEG of any size passes. "
        "The "
        "filters give Pillow's bits, weights in 22 bits of fraction, across first, then "
        "down; a picture that EXIF turns is resized as it is stored, and turned then. "
        "With "
        "output jpeg or png the result is a file; png keeps the pixels as they are. "
        "Profiles and EXIF data are left out. A picture that cannot be decoded is "
        "quarantined with its reason.",
    .traits = STAGE_STATELESS | STAGE_REPRODUCIBLE | STAGE_ONE_TO_ONE,
    .columns = (const struct stage_column[]){{"data", COLUMN_BYTES, true},
                                             {"image", COLUMN_IMAGE_U8, false},
                                             {.name = NULL}},
    .options = option_table,
    .options_size = sizeof(struct options),
    .state_size = sizeof(struct state),
    .plan = plan,
    .open = open_resize,
    .process = process,
    .close = close_resize};
