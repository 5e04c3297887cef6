#include "io/json.h"

#include <string>
#include <vector>

#include "io/bytes.h"
#include "io/reject.h"

namespace simdrope::io {
namespace {

constexpr size_t kMaxDepth = 64;

class TreeBuilder : public nlohmann::json_sax<Json> {
 public:
  JsonTree tree;

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return false; }
  bool start_object(size_t) override { return open(Json::object()); }
  bool start_array(size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    if (open_.back()->contains(name)) reject("key ", in_quotes(name), " appears twice");
    key_ = std::move(name);
    return true;
  }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    reject("byte ", position, ": ", error.what());
  }

 private:
  Json* place(Json&& value) {
    if (open_.empty()) {
      tree.root = std::move(value);
      return &tree.root;
    }
    Json& parent = *open_.back();
    if (parent.is_object()) return &(parent[key_] = std::move(value));
    parent.push_back(std::move(value));
    return &parent.back();
  }
  bool add(Json&& value) {
    place(std::move(value));
    return true;
  }
  bool open(Json&& value) {
    if (open_.size() == kMaxDepth) reject("nested deeper than ", kMaxDepth, " levels");
    open_.push_back(place(std::move(value)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  std::vector<Json*> open_;  // from the root to the innermost array or object
  std::string key_;
};

// Byte offsets are kept: {} and blanks take the place of the word.
std::string without_python_constants(std::string_view text) {
  std::string out(text);
  bool in_string = false;
  for (size_t i = 0; i < out.size(); ++i) {
    if (in_string) {
      if (out[i] == '\\') {
        ++i;
      } else if (out[i] == '"') {
        in_string = false;
      }
      continue;
    }
    if (out[i] == '"') {
      in_string = true;
      continue;
    }
    for (const std::string_view word : {"NaN", "-Infinity", "Infinity"}) {
      if (out.compare(i, word.size(), word) != 0) continue;
      out.replace(i, word.size(), "{}" + std::string(word.size() - 2, ' '));
      i += word.size() - 1;
      break;
    }
  }
  return out;
}

}  // namespace

JsonTree parse_json(std::string_view text) {
  TreeBuilder builder;
  Json::sax_parse(without_python_constants(text), &builder);
  return std::move(builder.tree);
}

}  // namespace simdrope::io
