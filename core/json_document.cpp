/* json_document.cpp - a whole JSON text as a tree that is walked, with simdjson's DOM */
extern "C" {
#include "core/json_document.h"
}

#include <cstring>
#include <new>
#include <type_traits>

#include <simdjson.h>

namespace dom = simdjson::dom;

struct json_document {
    dom::parser parser;
    dom::element root;
};

namespace
{

/* A node is simdjson's reference into the document's tape, kept as bytes. */
template <typename T> struct json_node to_node(const T &value)
{
    static_assert(sizeof(T) == sizeof(struct json_node), "one reference into the tape");
    static_assert(std::is_trivially_copyable<T>::value, "kept as bytes");
    struct json_node node;
    memcpy(&node, &value, sizeof node);
    return node;
}

template <typename T> T from_node(struct json_node node)
{
    T value;
    memcpy(static_cast<void *>(&value), &node, sizeof node);
    return value;
}

} // namespace

struct json_document *json_document_create(const unsigned char *text, size_t size,
                                           const char **detail)
{
    *detail = "no memory";
    struct json_document *document = new (std::nothrow) json_document;
    if (!document)
        return nullptr;
    simdjson::error_code code =
        document->parser.parse(reinterpret_cast<const char *>(text), size, true)
            .get(document->root);
    if (code == simdjson::SUCCESS)
        return document;
    *detail = simdjson::error_message(code);
    delete document;
    return nullptr;
}

void json_document_destroy(struct json_document *document)
{
    delete document;
}

struct json_node json_document_root(const struct json_document *document)
{
    return to_node(document->root);
}

enum json_type json_node_type(struct json_node node)
{
    if (!node.document)
        return JSON_ABSENT;
    switch (from_node<dom::element>(node).type()) {
    case dom::element_type::ARRAY:
        return JSON_ARRAY;
    case dom::element_type::OBJECT:
        return JSON_OBJECT;
    case dom::element_type::STRING:
        return JSON_STRING;
    case dom::element_type::BOOL:
        return JSON_BOOL;
    case dom::element_type::NULL_VALUE:
        return JSON_NULL;
    default:
        return JSON_NUMBER;
    }
}

bool json_node_text(struct json_node node, const unsigned char **text, size_t *size)
{
    std::string_view view;
    if (!node.document || from_node<dom::element>(node).get(view) != simdjson::SUCCESS)
        return false;
    *text = reinterpret_cast<const unsigned char *>(view.data());
    *size = view.size();
    return true;
}

bool json_node_bool(struct json_node node, bool *value)
{
    return node.document &&
           from_node<dom::element>(node).get(*value) == simdjson::SUCCESS;
}

bool json_node_integer(struct json_node node, int64_t *value)
{
    return node.document &&
           from_node<dom::element>(node).get(*value) == simdjson::SUCCESS;
}

bool json_node_number(struct json_node node, double *value)
{
    return node.document &&
           from_node<dom::element>(node).get(*value) == simdjson::SUCCESS;
}

struct json_node json_node_field(struct json_node node, const char *name)
{
    dom::element value;
    if (json_node_type(node) != JSON_OBJECT ||
        from_node<dom::element>(node).at_key(name).get(value) != simdjson::SUCCESS)
        return {nullptr, 0};
    return to_node(value);
}

struct json_members json_node_members(struct json_node node)
{
    struct json_members members = {};
    dom::array array;
    dom::object object;
    if (!node.document)
        return members;
    dom::element element = from_node<dom::element>(node);
    if (element.get(object) == simdjson::SUCCESS) {
        members.at = to_node(object.begin());
        members.end = to_node(object.end());
        members.is_object = true;
    } else if (element.get(array) == simdjson::SUCCESS) {
        members.at = to_node(array.begin());
        members.end = to_node(array.end());
    }
    return members;
}

bool json_members_next(struct json_members *members, const unsigned char **name,
                       size_t *name_size, struct json_node *value)
{
    if (members->at.place == members->end.place)
        return false;
    std::string_view key;
    if (members->is_object) {
        auto field = from_node<dom::object::iterator>(members->at);
        key = field.key();
        *value = to_node(field.value());
        members->at = to_node(++field);
    } else {
        auto element = from_node<dom::array::iterator>(members->at);
        *value = to_node(*element);
        members->at = to_node(++element);
    }
    if (name)
        *name = reinterpret_cast<const unsigned char *>(key.data());
    if (name_size)
        *name_size = key.size();
    return true;
}

size_t json_node_count(struct json_node node)
{
    struct json_members members = json_node_members(node);
    struct json_node value;
    size_t count = 0;
    while (json_members_next(&members, nullptr, nullptr, &value))
        count++;
    return count;
}
