/* image_header.c - what an image file says of itself before it is decoded */
#include "core/image_header.h"

#include <string.h>

#include "core/bytes.h"

enum { ENTRIES_MAX = 4096, TAG_WIDTH = 256, TAG_HEIGHT = 257, TAG_BITS = 258 };
enum { TAG_ORIENTATION = 274 };

struct view {
    const unsigned char *data;
    size_t size;
};

const char *image_format_name(enum image_format format)
{
    static const char *const names[] = {"unknown", "jpeg", "png", "webp", "tiff"};
    return names[format];
}

static bool begins_with(struct view view, const char *text, size_t size)
{
    return view.size >= size && memcmp(view.data, text, size) == 0;
}

static bool is_tiff(struct view view)
{
    return begins_with(view, "II*\0", 4) || begins_with(view, "MM\0*", 4) ||
           begins_with(view, "II+\0\x08\0\0\0", 8) ||
           begins_with(view, "MM\0+\0\x08\0\0", 8);
}

enum image_format image_format_of(const void *data, size_t size)
{
    struct view view = {data, size};
    if (begins_with(view, "\xFF\xD8\xFF", 3))
        return IMAGE_JPEG;
    if (begins_with(view, "\x89PNG\r\n\x1A\n", 8))
        return IMAGE_PNG;
    if (begins_with(view, "RIFF", 4) && size >= 12 &&
        memcmp(view.data + 8, "WEBP", 4) == 0)
        return IMAGE_WEBP;
    return is_tiff(view) ? IMAGE_TIFF : IMAGE_UNKNOWN;
}

/* Images of other formats, so that they can be told from what is no image at all. */
static const char *other_format(struct view view)
{
    static const struct {
        const char *magic, *text;
        unsigned char offset, size;
    } others[] = {{"GIF8", "it is a GIF", 0, 4},
                  {"BM", "it is a BMP", 0, 2},
                  {"ftypavif", "it is an AVIF", 4, 8},
                  {"ftypavis", "it is an AVIF", 4, 8},
                  {"ftypheic", "it is a HEIC", 4, 8},
                  {"ftypheix", "it is a HEIC", 4, 8},
                  {"ftypmif1", "it is a HEIF", 4, 8},
                  {"\xFF\x0A", "it is a JPEG XL", 0, 2},
                  {"\0\0\0\x0CJXL ", "it is a JPEG XL", 0, 8},
                  {"\0\0\0\x0CjP  ", "it is a JPEG 2000", 0, 8},
                  {"\xFF\x4F\xFF\x51", "it is a JPEG 2000", 0, 4},
                  {"8BPS", "it is a Photoshop file", 0, 4},
                  {"\0\0\x01\0", "it is an icon", 0, 4}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (view.size >= (size_t)others[i].offset + others[i].size &&
            memcmp(view.data + others[i].offset, others[i].magic, others[i].size) == 0)
            return others[i].text;
    return NULL;
}

static uint32_t u16_of(const unsigned char *at, bool is_big)
{
    return is_big ? (uint32_t)at[0] << 8 | at[1] : (uint32_t)at[1] << 8 | at[0];
}

static uint32_t u32_of(const unsigned char *at, bool is_big)
{
    return is_big ? u16_of(at, true) << 16 | u16_of(at + 2, true)
                  : u16_of(at + 2, false) << 16 | u16_of(at, false);
}

static uint64_t u64_of(const unsigned char *at, bool is_big)
{
    uint64_t first = u32_of(at, is_big), second = u32_of(at + 4, is_big);
    return is_big ? first << 32 | second : second << 32 | first;
}

/* The tags of interest in the first directory of a TIFF file. */
struct tiff_tags {
    uint64_t width, height, bits, orientation; /* 0: absent */
};

/* The first value of a whole-number entry, 0 for those of other types. A value that does
 * not fit into the entry stands elsewhere. */
static uint64_t entry_value(struct view view, const unsigned char *entry, bool is_big,
                            bool is_large)
{
    static const unsigned char sizes[17] = {[1] = 1, [3] = 2, [4] = 4, [16] = 8};
    uint32_t type = u16_of(entry + 2, is_big);
    uint64_t count = is_large ? u64_of(entry + 4, is_big) : u32_of(entry + 4, is_big);
    const unsigned char *at = entry + (is_large ? 12 : 8);
    size_t inline_size = is_large ? 8 : 4, size = type < sizeof sizes ? sizes[type] : 0;
    if (size == 0 || count == 0)
        return 0;
    if (count > inline_size / size) {
        uint64_t offset = is_large ? u64_of(at, is_big) : u32_of(at, is_big);
        if (offset > view.size || view.size - offset < size)
            return 0;
        at = view.data + offset;
    }
    switch (size) {
    case 1:
        return at[0];
    case 2:
        return u16_of(at, is_big);
    case 4:
        return u32_of(at, is_big);
    default:
        return u64_of(at, is_big);
    }
}

/* False: there is no directory. One that is cut short gives what is there. */
static bool read_tags(struct view view, struct tiff_tags *tags)
{
    *tags = (struct tiff_tags){0};
    if (view.size < 8 || !is_tiff(view))
        return false;
    bool is_big = view.data[0] == 'M';
    bool is_large = u16_of(view.data + 2, is_big) == 43;
    if (is_large && view.size < 16)
        return false;
    uint64_t offset =
        is_large ? u64_of(view.data + 8, is_big) : u32_of(view.data + 4, is_big);
    size_t head = is_large ? 8 : 2, step = is_large ? 20 : 12;
    if (offset > view.size || view.size - offset < head)
        return false;
    const unsigned char *at = view.data + offset;
    uint64_t count = is_large ? u64_of(at, is_big) : u16_of(at, is_big);
    at += head;
    size_t left = view.size - (size_t)offset - head;
    for (uint64_t i = 0; i < count && i < ENTRIES_MAX && left >= step; i++) {
        uint64_t value = entry_value(view, at, is_big, is_large);
        switch (u16_of(at, is_big)) {
        case TAG_WIDTH:
            tags->width = value;
            break;
        case TAG_HEIGHT:
            tags->height = value;
            break;
        case TAG_BITS:
            tags->bits = value;
            break;
        case TAG_ORIENTATION:
            tags->orientation = value;
            break;
        default:
            break;
        }
        at += step;
        left -= step;
    }
    return true;
}

unsigned exif_orientation(const void *data, size_t size)
{
    struct tiff_tags tags;
    struct view view = {data, size};
    /* Some writers leave the marker of JPEG's segment in front. */
    if (begins_with(view, "Exif\0\0", 6))
        view = (struct view){view.data + 6, view.size - 6};
    if (!read_tags(view, &tags) || tags.orientation < 1 || tags.orientation > 8)
        return 1;
    return (unsigned)tags.orientation;
}

static const char *read_tiff(struct view view, struct image_header *header)
{
    struct tiff_tags tags;
    if (!read_tags(view, &tags) || tags.width == 0 || tags.height == 0 ||
        tags.width > INT32_MAX || tags.height > INT32_MAX)
        return "its first directory tells no size";
    header->width = (uint32_t)tags.width;
    header->height = (uint32_t)tags.height;
    header->bits = tags.bits <= 64 ? (unsigned)tags.bits : 0;
    if (tags.orientation >= 1 && tags.orientation <= 8)
        header->orientation = (unsigned)tags.orientation;
    return NULL;
}

static bool is_frame(unsigned marker)
{
    return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 &&
           marker != 0xCC;
}

static const char *read_frame(struct view segment, unsigned marker,
                              struct image_header *header)
{
    if (segment.size < 6)
        return "its frame header is cut short";
    header->bits = segment.data[0];
    header->height = u16_of(segment.data + 1, true);
    header->width = u16_of(segment.data + 3, true);
    header->is_interleaved =
        marker == 0xC2 || marker == 0xC6 || marker == 0xCA || marker == 0xCE;
    if (header->height == 0)
        return "its height stands behind the image, which is not supported";
    return header->width == 0 ? "its width is 0" : NULL;
}

static const char *read_jpeg(struct view view, struct image_header *header)
{
    bool has_exif = false;
    size_t at = 2;
    while (view.size - at >= 4) {
        if (view.data[at] != 0xFF || view.data[at + 1] == 0xFF) {
            at++; /* fill bytes, or rubbish that decoders pass over too */
            continue;
        }
        unsigned marker = view.data[at + 1];
        at += 2;
        if (marker == 0 || marker == 1 || (marker >= 0xD0 && marker <= 0xD8))
            continue; /* stands alone */
        size_t length = u16_of(view.data + at, true);
        if (length < 2 || length > view.size - at || marker == 0xD9 || marker == 0xDA)
            break;
        struct view segment = {view.data + at + 2, length - 2};
        if (marker == 0xE1 && !has_exif && begins_with(segment, "Exif\0\0", 6)) {
            has_exif = true;
            header->orientation = exif_orientation(segment.data, segment.size);
        }
        if (is_frame(marker))
            return read_frame(segment, marker, header);
        at += length;
    }
    return "it has no frame header";
}

static const char *read_png(struct view view, struct image_header *header)
{
    if (view.size < 33 || memcmp(view.data + 12, "IHDR", 4) != 0)
        return "its IHDR chunk is missing or cut short";
    header->width = u32_of(view.data + 16, true);
    header->height = u32_of(view.data + 20, true);
    header->bits = view.data[24];
    header->is_interleaved = view.data[28] != 0;
    if (header->width == 0 || header->height == 0 || header->width > INT32_MAX ||
        header->height > INT32_MAX)
        return "its size makes no sense";
    size_t at = 33;
    while (view.size - at >= 12) {
        size_t length = u32_of(view.data + at, true);
        if (length > view.size - at - 12)
            break;
        if (memcmp(view.data + at + 4, "eXIf", 4) == 0) {
            header->orientation = exif_orientation(view.data + at + 8, length);
            break;
        }
        at += length + 12;
    }
    return NULL;
}

static uint32_t u24_of(const unsigned char *at)
{
    return u16_of(at, false) | (uint32_t)at[2] << 16;
}

/* The chunk that has the size: VP8X, VP8 or VP8L. */
static const char *read_webp_size(struct view chunk, const unsigned char *name,
                                  struct image_header *header)
{
    if (memcmp(name, "VP8X", 4) == 0 && chunk.size >= 10) {
        header->width = u24_of(chunk.data + 4) + 1;
        header->height = u24_of(chunk.data + 7) + 1;
    } else if (memcmp(name, "VP8 ", 4) == 0 && chunk.size >= 10 &&
               memcmp(chunk.data + 3, "\x9D\x01\x2A", 3) == 0) {
        header->width = u16_of(chunk.data + 6, false) & 0x3FFF;
        header->height = u16_of(chunk.data + 8, false) & 0x3FFF;
    } else if (memcmp(name, "VP8L", 4) == 0 && chunk.size >= 5 && chunk.data[0] == 0x2F) {
        uint32_t bits = u32_of(chunk.data + 1, false);
        header->width = (bits & 0x3FFF) + 1;
        header->height = (bits >> 14 & 0x3FFF) + 1;
    } else {
        return "its first chunk is no image, or cut short";
    }
    header->bits = 8;
    header->is_interleaved = true;
    return header->width == 0 || header->height == 0 ? "its size makes no sense" : NULL;
}

static const char *read_webp(struct view view, struct image_header *header)
{
    size_t at = 12;
    bool has_size = false;
    while (view.size - at >= 8) {
        const unsigned char *name = view.data + at;
        size_t length = u32_of(view.data + at + 4, false), left = view.size - at - 8;
        struct view chunk = {view.data + at + 8, length < left ? length : left};
        if (!has_size) {
            const char *wrong = read_webp_size(chunk, name, header);
            if (wrong || memcmp(name, "VP8X", 4) != 0)
                return wrong;
            has_size = true;
        } else if (memcmp(name, "EXIF", 4) == 0) {
            header->orientation = exif_orientation(chunk.data, chunk.size);
        }
        if (length >= left || left - length < (length & 1))
            break;
        at += 8 + length + (length & 1);
    }
    return has_size ? NULL : "it has no chunk";
}

const char *image_header_read(const void *data, size_t size, struct image_header *header,
                              const char **detail)
{
    struct view view = {data, size};
    const char *wrong = NULL;
    struct image_header found = {.format = image_format_of(data, size), .orientation = 1};
    switch (found.format) {
    case IMAGE_JPEG:
        wrong = read_jpeg(view, &found);
        break;
    case IMAGE_PNG:
        wrong = read_png(view, &found);
        break;
    case IMAGE_WEBP:
        wrong = read_webp(view, &found);
        break;
    case IMAGE_TIFF:
        wrong = read_tiff(view, &found);
        break;
    case IMAGE_UNKNOWN:
        wrong = size > 0 ? other_format(view) : "the file is empty";
        if (detail)
            *detail = wrong ? wrong : "it begins like no image";
        return size == 0 ? "empty_file" : wrong ? "unsupported_format" : "not_an_image";
    }
    if (wrong) {
        if (detail)
            *detail = wrong;
        return "bad_header";
    }
    *header = found;
    return NULL;
}

void image_upright_size(const struct image_header *header, uint32_t *width,
                        uint32_t *height)
{
    bool is_turned = header->orientation >= 5;
    *width = is_turned ? header->height : header->width;
    *height = is_turned ? header->width : header->height;
}
