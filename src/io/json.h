#ifndef SIMDROPE_IO_JSON_H_
#define SIMDROPE_IO_JSON_H_

#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

namespace simdrope::io {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;  // keeps the order of keys

// A tree that is freed without memory: nlohmann's destructor takes some for what is nested, and ends the process where
// there is none.
template <class Value>
struct TreeOf {
  Value root;

  TreeOf() = default;
  explicit TreeOf(Value&& tree) : root(std::move(tree)) {}
  TreeOf(TreeOf&&) noexcept = default;
  TreeOf& operator=(TreeOf&& other) noexcept {
    std::swap(root, other.root);
    return *this;
  }
  ~TreeOf() { release(root); }

  bool empty() const { return root.empty(); }

 private:
  // From the innermost outwards. Its depth is limited where trees are made.
  static void release(Value& value) {
    if (!value.is_structured()) return;
    for (Value& child : value) release(child);
    value.clear();
  }
};
using JsonTree = TreeOf<Json>;

// Parses UTF-8 JSON; rejects a key that appears twice in one object and nesting beyond 64 levels.
// Python's NaN and Infinity are read as empty objects: present, but no number.
JsonTree parse_json(std::string_view text);

}  // namespace simdrope::io

#endif  // SIMDROPE_IO_JSON_H_
