/* detector_setup.c - what a detector's model is given, and how its outputs are read */
#include <stdio.h>
#include <string.h>

#include "core/diagnostics.h"
#include "stages/kernels/detector_parts.h"

enum { NAMES_MAX = 64, ANY_SIDE = 640 };

static const char *const fit_choices[] = {
    "family", "stretch", "letterbox", "letterbox_yolov5", "letterbox_darknet",
    "center", "corner",  NULL};
static const char *const channel_choices[] = {"family", "rgb", "bgr", NULL};
static const char *const layout_choices[] = {"family", "nchw", "nhwc", NULL};

#define AT(field) offsetof(struct input_options, field)

const struct option_spec input_option_specs[] = {
    {.name = "width",
     .type = OPTION_INT,
     .offset = AT(width),
     .initial = "0",
     .min = 0,
     .max = 16384,
     .help = "Of the input, where the model takes any; 0: the family's"},
    {.name = "height",
     .type = OPTION_INT,
     .offset = AT(height),
     .initial = "0",
     .min = 0,
     .max = 16384,
     .help = "The same down"},
    {.name = "multiple",
     .type = OPTION_INT,
     .offset = AT(multiple),
     .initial = "-1",
     .min = -1,
     .max = 1024,
     .help = "Where the model takes any size: pad to a multiple of this, and no farther; "
             "0: to the input's size; -1: as the family does"},
    {.name = "fit",
     .type = OPTION_CHOICE,
     .offset = AT(fit),
     .initial = "family",
     .choices = fit_choices,
     .help = "stretch to the input; letterbox: keep the shape, padded on both sides, as "
             "Ultralytics (letterbox_yolov5 and letterbox_darknet: as those bring boxes "
             "back); center: the same, rounded to the left; corner: padded to the right "
             "and below"},
    {.name = "channels",
     .type = OPTION_CHOICE,
     .offset = AT(channels),
     .initial = "family",
     .choices = channel_choices,
     .help = "Which channel comes first"},
    {.name = "layout",
     .type = OPTION_CHOICE,
     .offset = AT(layout),
     .initial = "family",
     .choices = layout_choices,
     .help = "Whether channels lie apart or together, where the model does not tell"},
    {.name = "mean",
     .type = OPTION_REAL_LIST,
     .offset = AT(mean),
     .initial = "",
     .min = -1e6,
     .max = 1e6,
     .help = "What is taken from a pixel of 0 to 255: a list of one number, or of one a "
             "channel in the "
             "network's order"},
    {.name = "divisor",
     .type = OPTION_REAL_LIST,
     .offset = AT(divisor),
     .initial = "",
     .min = 1e-6,
     .max = 1e6,
     .help = "What it is divided by then"},
    {.name = "pad",
     .type = OPTION_REAL_LIST,
     .offset = AT(pad),
     .initial = "",
     .min = -1e6,
     .max = 1e6,
     .help = "The pixel around the picture, before mean and divisor"},
    OPTION_END};

/* ---- names ---- */

static enum error_code refuse_name(const char *what, const char *name,
                                   const char *const *names, size_t count,
                                   struct source_position where, struct error *error)
{
    const char *nearest = nearest_name(name, names, count);
    if (nearest)
        return error_set_at(error, where, "no %s \"%s\"; did you mean \"%s\"?", what,
                            name, nearest);
    char list[320] = "";
    size_t used = 0;
    for (size_t i = 0; i < count && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "",
                                 names[i]);
    return error_set_at(error, where, "no %s \"%.60s\"; there are %s", what, name, list);
}

enum error_code detector_check_names(const char *family, const char *head,
                                     struct source_position where, struct error *error)
{
    const char *names[NAMES_MAX];
    if (family && !model_family_find(family)) {
        for (size_t i = 0; i < model_family_count; i++)
            names[i] = model_families[i].name;
        return refuse_name("family", family, names, model_family_count, where, error);
    }
    if (head && !head_find(head)) {
        for (size_t i = 0; i < head_count; i++)
            names[i] = heads[i].name;
        return refuse_name("head", head, names, head_count, where, error);
    }
    return OK;
}

/* ---- the input ---- */

static enum error_code refuse_model(const struct detector *detector, struct error *error,
                                    const char *text)
{
    return error_set(error, ERROR_CONFIG, "model %s %s", detector->model, text);
}

/* 1 or 3 numbers, of all channels or of each. */
static enum error_code take_channels(const struct detector *detector,
                                     const struct real_list *list, float values[3],
                                     struct error *error)
{
    if (list->count != 0 && list->count != 1 && list->count != 3)
        return refuse_model(detector, error,
                            "has three channels: mean, divisor and pad of \"input\" are "
                            "one number or three");
    for (size_t i = 0; list->count && i < 3; i++)
        values[i] = (float)list->items[list->count == 3 ? i : 0];
    return OK;
}

static enum error_code settle_format(struct detector *detector,
                                     const struct input_options *input,
                                     struct error *error)
{
    struct pixel_format *format = &detector->format;
    if (input->channels)
        format->is_bgr = input->channels == 2;
    enum error_code code = take_channels(detector, &input->mean, format->mean, error);
    if (code == OK)
        code = take_channels(detector, &input->divisor, format->divisor, error);
    if (code == OK)
        code = take_channels(detector, &input->pad, format->pad, error);
    return code;
}

/* Which dimension is which: what the model says, or else the option, or else the family. */
static enum error_code settle_layout(struct detector *detector,
                                     const struct input_options *input,
                                     const struct onnx_port *port, struct error *error)
{
    bool is_first = port->shape[1] == 3, is_last = port->shape[3] == 3;
    bool may_be_first = is_first || port->shape[1] < 0;
    bool may_be_last = is_last || port->shape[3] < 0;
    if (is_first != is_last)
        detector->format.channels_last = is_last;
    else if (input->layout)
        detector->format.channels_last = input->layout == 2;
    if (!(detector->format.channels_last ? may_be_last : may_be_first))
        return refuse_model(detector, error, "does not take pictures of three channels");
    return OK;
}

/* A side that the model leaves open is the option's or the family's. */
static enum error_code settle_side(const struct detector *detector, int64_t of_model,
                                   int64_t wanted, const char *what, uint32_t *side,
                                   struct error *error)
{
    if (of_model > FIT_SIDE_MAX || (of_model > 0 && wanted > 0 && of_model != wanted))
        return error_set(error, ERROR_CONFIG,
                         "model %s takes pictures %lld pixels %s, not %lld",
                         detector->model, (long long)of_model, what, (long long)wanted);
    if (of_model > 0)
        *side = (uint32_t)of_model;
    else if (wanted > 0)
        *side = (uint32_t)wanted;
    return OK;
}

static enum error_code settle_size(struct detector *detector,
                                   const struct input_options *input,
                                   const struct onnx_port *port, struct error *error)
{
    bool is_last = detector->format.channels_last;
    int64_t height = port->shape[is_last ? 1 : 2], width = port->shape[is_last ? 2 : 3];
    struct fit_rule *fit = &detector->fit;
    detector->is_resizable = width < 0 && height < 0;
    if (input->fit)
        fit->kind = (enum fit_kind)(input->fit - 1);
    if (input->multiple >= 0)
        fit->multiple = (uint32_t)input->multiple;
    if (!detector->is_resizable)
        fit->multiple = 0;
    enum error_code code =
        settle_side(detector, width, input->width, "wide", &fit->width, error);
    if (code == OK)
        code = settle_side(detector, height, input->height, "high", &fit->height, error);
    return code;
}

static enum error_code settle_input(struct detector *detector,
                                    const struct detector_setup *setup,
                                    struct error *error)
{
    const struct onnx_port *port = onnx_session_input(detector->session, 0);
    if (onnx_session_input_count(detector->session) != 1 || port->rank != 4)
        return refuse_model(detector, error,
                            "does not take one tensor of four dimensions: it is no "
                            "detector of pictures, or not exported as one");
    if (port->type != ONNX_F32 && port->type != ONNX_U8)
        return error_set(error, ERROR_CONFIG, "model %s takes %s, not f32 or u8",
                         detector->model, onnx_type_name(port->type));
    detector->is_bytes = port->type == ONNX_U8;
    enum error_code code = settle_layout(detector, setup->input, port, error);
    if (code == OK)
        code = settle_size(detector, setup->input, port, error);
    if (code == OK)
        code = settle_format(detector, setup->input, error);
    if (port->shape[0] > EXACT_BATCH_MAX)
        return refuse_model(detector, error,
                            "takes more pictures at once than is sensible");
    detector->fixed_batch = port->shape[0] > 0 ? (uint32_t)port->shape[0] : 0;
    detector->batch = detector->fixed_batch
                          ? detector->fixed_batch
                          : exact_batch_next(EXACT_BATCH_MAX, setup->batch);
    return code;
}

/* ---- the outputs ---- */

static enum error_code settle_outputs(struct detector *detector, struct error *error)
{
    size_t count = onnx_session_output_count(detector->session);
    if (count > HEAD_OUTPUTS_MAX)
        return refuse_model(detector, error, "has too many outputs for a detector");
    for (size_t i = 0; i < count; i++) {
        const struct onnx_port *port = onnx_session_output(detector->session, i);
        if (port->type == ONNX_F32 && port->rank >= 1 && port->rank <= HEAD_RANK_MAX)
            detector->outputs[detector->output_count++].name = port->name;
    }
    return detector->output_count ? OK
                                  : refuse_model(detector, error, "gives no f32 numbers");
}

/* As declared. */
static size_t declared_outputs(const struct detector *detector,
                               struct head_tensor tensors[HEAD_OUTPUTS_MAX])
{
    for (size_t i = 0; i < detector->output_count; i++) {
        const struct onnx_port *port =
            onnx_session_find_output(detector->session, detector->outputs[i].name);
        tensors[i] = (struct head_tensor){.name = port->name, .rank = port->rank};
        memcpy(tensors[i].dims, port->shape, port->rank * sizeof port->shape[0]);
    }
    return detector->output_count;
}

/* The head that reads the outputs: as they are declared, or as they come out. */
static enum error_code recognise(struct detector *detector, const struct head **head,
                                 struct error *error)
{
    struct head_tensor tensors[HEAD_OUTPUTS_MAX];
    struct head_input input = {
        .outputs = tensors, .width = detector->fit.width, .height = detector->fit.height};
    input.output_count = declared_outputs(detector, tensors);
    *head = head_recognise(&input);
    if (*head)
        return OK;
    enum error_code code = detector_make_room(detector, input.width, input.height, error);
    if (code == OK) {
        uint32_t count = detector->fixed_batch ? detector->fixed_batch : 1;
        memset(detector->tensor.data, 0, count * detector->item_size);
        code = detector_run(detector, 0, count, error);
    }
    if (code != OK)
        return code;
    input.output_count = detector_heads_input(detector, tensors);
    *head = head_recognise(&input);
    return *head ? OK
                 : refuse_model(detector, error,
                                "has outputs of a kind that is not known: name its "
                                "family or its head");
}

static const struct model_family *family_of_head(const struct head *head)
{
    for (size_t i = 0; i < model_family_count; i++)
        if (strcmp(model_families[i].head, head->name) == 0)
            return &model_families[i];
    return NULL;
}

/* What the user left out is the family's. Both are as parsed: -1, empty, _OF_THE_HEAD. */
static void overlay(const struct head_options *under, struct head_options *options)
{
    for (const struct option_spec *spec = head_option_specs; spec->name; spec++) {
        unsigned char *to = (unsigned char *)options + spec->offset;
        const unsigned char *from = (const unsigned char *)under + spec->offset;
        if (spec->type == OPTION_REAL_LIST) {
            if (((const struct real_list *)(const void *)to)->count == 0)
                memcpy(to, from, sizeof(struct real_list));
        } else if (spec->type == OPTION_INT) {
            if (*(const int64_t *)(const void *)to == -1)
                memcpy(to, from, sizeof(int64_t));
        } else if (spec->type == OPTION_REAL) {
            if (*(const double *)(const void *)to == -1)
                memcpy(to, from, sizeof(double));
        } else if (*(const int *)(const void *)to == 0) {
            memcpy(to, from, sizeof(int));
        }
    }
}

static enum error_code settle_head(struct detector *detector,
                                   const struct detector_setup *setup,
                                   const struct model_family *family, struct error *error)
{
    struct head_options wanted = *setup->head_options;
    if (family && family->options && strcmp(family->head, detector->head->name) == 0)
        overlay(family->options, &wanted);
    return head_options_resolve(detector->head, &wanted, &detector->options, error);
}

/* NULL: what most detectors are given. */
static void take_family(struct detector *detector, const struct model_family *family)
{
    static const struct model_family most = {
        .fit = {.kind = FIT_LETTERBOX, .width = ANY_SIDE, .height = ANY_SIDE},
        .format = {.divisor = {255, 255, 255}, .pad = {114, 114, 114}},
        .threshold = 0.25F,
        .merge_threshold = 0.5F};
    if (!family)
        family = &most;
    detector->fit = family->fit;
    detector->format = family->format;
    detector->threshold = family->threshold;
    detector->merge_threshold = family->merge_threshold;
}

enum error_code detector_settle(struct detector *detector,
                                const struct detector_setup *setup, struct error *error)
{
    const struct model_family *family =
        setup->family ? model_family_find(setup->family) : NULL;
    const char *head = setup->head ? setup->head : family ? family->head : NULL;
    enum error_code code = OK;
    detector->head = head ? head_find(head) : NULL;
    if (!family && detector->head)
        family = family_of_head(detector->head);
    take_family(detector, family);
    code = settle_input(detector, setup, error);
    if (code == OK)
        code = settle_outputs(detector, error);
    if (code == OK && !detector->head) {
        code = recognise(detector, &detector->head, error);
        family = code == OK ? family_of_head(detector->head) : NULL;
        if (family) {
            take_family(detector, family);
            code = settle_input(detector, setup, error);
        }
    }
    if (code == OK)
        code = settle_head(detector, setup, family, error);
    if (setup->threshold >= 0)
        detector->threshold = (float)setup->threshold;
    return code;
}
