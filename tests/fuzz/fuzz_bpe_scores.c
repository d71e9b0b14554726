/* fuzz_bpe_scores.c - any small byte-pair model over any text: as the plain reference */
#include <stddef.h>
#include <stdint.h>

#include "tests/sentencepiece_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size >= 2 && size <= 4096)
        fuzz_compare(data, size, WRITE_BPE);
    return 0;
}
