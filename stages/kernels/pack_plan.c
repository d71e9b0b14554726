/* pack_plan.c - which tokens of which document go into which sequence */
#include "stages/kernels/pack_plan.h"

size_t pack_pieces_max(uint64_t tokens, uint32_t count, uint32_t length)
{
    return (size_t)(tokens / length) + 2 * (size_t)count + 1;
}

static void put_piece(struct pack_plan *plan, uint32_t document, uint64_t begin,
                      uint32_t size)
{
    plan->pieces[plan->piece_count++] =
        (struct pack_piece){.document = document, .size = size, .begin = begin};
    plan->filled += size;
}

static void end_sequence(struct pack_plan *plan)
{
    if (plan->filled > 0)
        plan->pieces[plan->piece_count - 1].ends_sequence = true;
    plan->filled = 0;
}

static void add_document(struct pack_plan *plan, enum pack_documents documents,
                         uint32_t length, uint32_t document, uint64_t size)
{
    uint64_t begin = 0;
    if (documents == PACK_WHOLE && size > length - plan->filled)
        end_sequence(plan);
    while (begin < size) {
        uint64_t left = size - begin;
        uint32_t room = length - plan->filled;
        uint32_t taken = left < room ? (uint32_t)left : room;
        put_piece(plan, document, begin, taken);
        begin += taken;
        if (plan->filled == length)
            end_sequence(plan);
    }
    if (documents == PACK_ALONE)
        end_sequence(plan);
}

void pack_plan_add(struct pack_plan *plan, enum pack_documents documents, uint32_t length,
                   const uint64_t *lengths, uint32_t count)
{
    uint32_t held = plan->filled;
    plan->filled = 0;
    plan->piece_count = 0;
    if (held > 0)
        put_piece(plan, PACK_HELD, 0, held);
    for (uint32_t i = 0; i < count; i++)
        add_document(plan, documents, length, i, lengths[i]);
}
