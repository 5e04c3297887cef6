#ifndef SIMDROPE_IO_JSON_H_
#define SIMDROPE_IO_JSON_H_

#include <nlohmann/json.hpp>
#include <string_view>

namespace simdrope::io {

using Json = nlohmann::json;

// Parses UTF-8 JSON; rejects a key that appears twice in one object and nesting beyond 64 levels.
// Python's NaN and Infinity are read as empty objects: present, but no number.
Json parse_json(std::string_view text);

}  // namespace simdrope::io

#endif  // SIMDROPE_IO_JSON_H_
