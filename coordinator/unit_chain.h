/* unit_chain.h - doubly linked lists of things that have numbers
 *
 * The things stand in an array and carry their links; 0 is no thing. All in O(1). */
#ifndef COORDINATOR_UNIT_CHAIN_H
#define COORDINATOR_UNIT_CHAIN_H

#include <stddef.h>
#include <stdint.h>

struct chain_link {
    uint32_t before, after;
};

struct chain { /* {0} is an empty one */
    uint32_t head, tail, count;
};

/* Where the links are: that of thing i stands `stride` * i bytes behind `first`. */
struct chain_links {
    void *first; /* borrowed */
    size_t stride;
};

/* The thing must not be in a chain over the same links. */
void chain_append(struct chain *chain, struct chain_links links, uint32_t thing);
void chain_prepend(struct chain *chain, struct chain_links links, uint32_t thing);
/* The thing must be in this chain. */
void chain_remove(struct chain *chain, struct chain_links links, uint32_t thing);

#endif
