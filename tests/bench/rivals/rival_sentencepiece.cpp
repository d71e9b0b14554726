/* rival_sentencepiece.cpp - CPU time that SentencePiece takes to encode a text
 *
 *     rival_sentencepiece MODEL TEXT DOCUMENT
 *
 * By its C++ interface, without Python between: Encode() of a document of about DOCUMENT
 * bytes that ends at a line end, to a vector of ids that keeps its memory. It normalizes
 * and encodes, as ours does. Prints JSON: microseconds of CPU, tokens, bytes. */
#include <sentencepiece_processor.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

static double cpu_us()
{
    timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

int main(int argc, char **argv)
{
    sentencepiece::SentencePieceProcessor processor;
    if (argc != 4 || !processor.Load(argv[1]).ok())
        return 1;
    std::ifstream file(argv[2], std::ios::binary);
    std::stringstream content;
    content << file.rdbuf();
    const std::string text = content.str();
    const size_t size = std::strtoul(argv[3], nullptr, 10);
    std::vector<int> ids, all;
    all.reserve(text.size());
    const double begin_us = cpu_us();
    for (size_t begin = 0; begin < text.size();) {
        size_t end = text.find('\n', begin + size);
        end = end == std::string::npos ? text.size() : end + 1;
        if (!processor.Encode({text.data() + begin, end - begin}, &ids).ok())
            return 1;
        all.insert(all.end(), ids.begin(), ids.end());
        begin = end;
    }
    std::printf("{\"us\": %.0f, \"tokens\": %zu, \"bytes\": %zu}\n", cpu_us() - begin_us,
                all.size(), text.size());
    return 0;
}
