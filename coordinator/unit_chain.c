/* unit_chain.c - doubly linked lists of things that have numbers */
#include "coordinator/unit_chain.h"

static struct chain_link *link_of(struct chain_links links, uint32_t thing)
{
    unsigned char *first = links.first;
    return (struct chain_link *)(void *)(first + (size_t)thing * links.stride);
}

void chain_append(struct chain *chain, struct chain_links links, uint32_t thing)
{
    struct chain_link *link = link_of(links, thing);
    link->before = chain->tail;
    link->after = 0;
    if (chain->tail)
        link_of(links, chain->tail)->after = thing;
    else
        chain->head = thing;
    chain->tail = thing;
    chain->count++;
}

void chain_prepend(struct chain *chain, struct chain_links links, uint32_t thing)
{
    struct chain_link *link = link_of(links, thing);
    link->before = 0;
    link->after = chain->head;
    if (chain->head)
        link_of(links, chain->head)->before = thing;
    else
        chain->tail = thing;
    chain->head = thing;
    chain->count++;
}

void chain_remove(struct chain *chain, struct chain_links links, uint32_t thing)
{
    struct chain_link *link = link_of(links, thing);
    if (link->before)
        link_of(links, link->before)->after = link->after;
    else
        chain->head = link->after;
    if (link->after)
        link_of(links, link->after)->before = link->before;
    else
        chain->tail = link->before;
    *link = (struct chain_link){0};
    chain->count--;
}
