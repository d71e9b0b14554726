/* instances.c - instances of masked language models, side by side while they are made */
#include "stages/kernels/instances.h"

#include "core/arena.h"

bool instances_begin(const struct instance_form *form, struct arena *arena,
                     struct arena *scratch, uint32_t capacity, size_t tokens,
                     size_t longest, struct instances *made)
{
    size_t aligned = form->has_masks && form->is_aligned ? tokens : 0;
    size_t listed = form->has_masks && !form->is_aligned ? tokens : 0;
    size_t rows = (size_t)capacity + 1;
    *made = (struct instances){
        .form = *form,
        .offsets = ARENA_NEW(arena, uint64_t, rows),
        .tokens = ARENA_RAW(arena, uint32_t, tokens),
        .segments = ARENA_RAW(arena, uint32_t, form->has_segments ? tokens : 0),
        .labels = ARENA_RAW(arena, uint32_t, aligned),
        .label_offsets = ARENA_NEW(arena, uint64_t, rows),
        .mask_positions = ARENA_RAW(arena, uint32_t, listed),
        .mask_labels = ARENA_RAW(arena, uint32_t, listed),
        .span_offsets = ARENA_NEW(arena, uint64_t, rows),
        .spans = ARENA_RAW(arena, uint32_t, form->has_spans ? tokens + rows : 0),
        .bits = ARENA_NEW(arena, unsigned char, capacity / 8 + 1),
        .work = ARENA_RAW(scratch, uint32_t, longest * 2),
        .is_chosen = ARENA_RAW(scratch, unsigned char, longest)};
    return made->offsets && made->tokens && made->segments && made->labels &&
           made->label_offsets && made->mask_positions && made->mask_labels &&
           made->span_offsets && made->spans && made->bits && made->work &&
           made->is_chosen;
}

void instances_add(struct instances *made, uint32_t size)
{
    uint32_t row = made->count++;
    made->offsets[row + 1] = made->offsets[row] + size;
    made->label_offsets[row + 1] = made->label_offsets[row];
    made->span_offsets[row + 1] = made->span_offsets[row];
}

static void put_labels(struct instances *made, uint32_t row, uint32_t size)
{
    const uint32_t *tokens = made->tokens + made->offsets[row];
    uint64_t at = made->label_offsets[row];
    for (uint32_t i = 0; i < size; i++) {
        bool is_chosen = made->is_chosen[i];
        if (made->form.is_aligned) {
            made->labels[made->offsets[row] + i] =
                is_chosen ? tokens[i] : (uint32_t)-NO_LABEL_BELOW_ZERO;
        } else if (is_chosen) {
            made->mask_positions[at] = i;
            made->mask_labels[at++] = tokens[i];
        }
    }
    made->label_offsets[row + 1] = at;
}

static void put_spans(struct instances *made, uint32_t row, uint32_t size)
{
    uint64_t at = made->span_offsets[row];
    for (uint32_t i = 0; i < size; i++) {
        if (!made->is_chosen[i])
            continue;
        made->spans[at++] = i;
        while (i < size && made->is_chosen[i])
            i++;
        made->spans[at++] = i;
    }
    made->span_offsets[row + 1] = at;
}

void instances_mask(struct instances *made, const struct mask_rule *rule,
                    struct random_stream *stream)
{
    uint32_t row = made->count - 1;
    uint32_t *tokens = made->tokens + made->offsets[row];
    uint32_t size = (uint32_t)(made->offsets[row + 1] - made->offsets[row]);
    (void)mask_choose(rule, tokens, size, stream, made->work, made->is_chosen);
    put_labels(made, row, size);
    if (made->form.has_spans)
        put_spans(made, row, size);
    mask_replace(rule, made->is_chosen, size, stream, tokens);
}
