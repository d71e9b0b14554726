/* input_check.c - tell every pattern of a pipeline's inputs that is wrong */
#include "commands/input_check.h"

bool input_check_build(const struct pipeline *pipeline, const struct phase_spec *phase,
                       struct arena *arena, struct manifest *manifest,
                       struct diagnostics *diagnostics)
{
    const struct input_spec *input = &phase->input;
    struct error together = {0};
    size_t known = diagnostics->count;
    if (!manifest_build(input, phase->shard_bytes, pipeline->folder, arena, manifest,
                        &together))
        return true;
    for (size_t i = 0; i < input->paths.count; i++) {
        struct input_spec one = *input;
        struct manifest unused;
        struct error error = {0};
        one.paths = (struct text_list){.items = &input->paths.items[i], .count = 1};
        one.paths_position = input->path_positions[i];
        if (manifest_build(&one, phase->shard_bytes, pipeline->folder, arena, &unused,
                           &error))
            diagnostics_add(diagnostics, input->path_positions[i], "%s", error.text);
    }
    if (diagnostics->count == known) /* each is right, but not with the others */
        diagnostics_add(diagnostics, input->paths_position, "%s", together.text);
    return false;
}
