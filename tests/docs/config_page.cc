// The tables of docs/config.md, from the list of fields: checks that the page has them, or writes them there.
//
// usage: config_page PAGE [--write]
#include <cstdio>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <type_traits>

#include "core/config_fields.h"
#include "core/names.h"
#include "option_names.h"

namespace {

using simdrope::impl::Field;
using simdrope::impl::FieldRole;

const char kBegin[] = "<!-- made by tests/docs/config_page.cc: begin -->\n";
const char kEnd[] = "<!-- made by tests/docs/config_page.cc: end -->\n";

// In a cell, | ends the cell.
std::string Escaped(const std::string& text) {
  std::string escaped;
  for (const char c : text) escaped += c == '|' ? "\\|" : std::string(1, c);
  return escaped;
}

struct Rows {
  std::ostringstream out;
  int count = 0;

  template <class T>
  static std::string Text(const T& value) {
    std::ostringstream text;
    if constexpr (std::is_enum_v<T>) {
      text << simdrope::impl::NameOf(value);
    } else {
      text << std::boolalpha << value;
    }
    return text.str();
  }
  void Row(const Field& field, const std::string& type, const std::string& otherwise) {
    const std::string option = "`" + simdrope::tool::OptionOf(field.name) + "`";
    out << "| `" << field.name << "` | " << (field.role == FieldRole::kCount ? "" : option) << " | " << type << " | "
        << otherwise << " | " << Escaped(field.meaning) << " |\n";
    ++count;
  }

  template <class T>
  void Value(const Field& field, const T& otherwise) {
    std::string type = std::is_same_v<T, bool> ? "bool" : std::is_floating_point_v<T> ? "double" : "int64";
    if (std::is_same_v<T, int32_t>) type = "int32";
    if constexpr (std::is_enum_v<T>) {
      type.clear();
      for (int32_t i = 0; i < simdrope::impl::NamedValues<T>(); ++i) {
        type += (i == 0 ? "`" : ", `") + Text(static_cast<T>(i)) + "`";
      }
    }
    Row(field, type, Text(otherwise));
  }
  template <size_t n>
  void Array(const Field& field, const int32_t (&)[n]) {
    Row(field, "int32[" + std::to_string(n) + "]", "0s");
  }
  template <class FieldList>
  void List(FieldList list, const simdrope_config& config) {
    Row(list.field, sizeof(*list.Values(config)) == 1 ? "list of uint8" : "list of double", "none");
  }
};

}  // namespace

int main(int argc, char** argv) {
  const bool write = argc == 3 && std::string(argv[2]) == "--write";
  if (argc != 2 && !write) return std::fprintf(stderr, "usage: config_page PAGE [--write]\n"), 2;
  std::ifstream in(argv[1], std::ios::binary);
  const std::string page{std::istreambuf_iterator<char>(in), {}};
  const size_t begin = page.find(kBegin), end = page.find(kEnd);
  if (begin == std::string::npos || end == std::string::npos) {
    return std::fprintf(stderr, "%s lacks the two marks\n", argv[1]), 2;
  }
  simdrope_config defaults;
  simdrope_config_init(&defaults);
  Rows rows;
  rows.out << "| field | option of the command | type or names | default | meaning |\n|---|---|---|---|---|\n";
  const simdrope_config& visited = defaults;
  simdrope::impl::VisitFields(rows, visited);
  const std::string made = page.substr(0, begin) + kBegin + rows.out.str() + page.substr(end);
  if (made == page) return std::printf("%d fields\n", rows.count), rows.count > 0 ? 0 : 1;
  if (!write) {
    std::fprintf(stderr, "%s is not what the list says: run config_page %s --write\n", argv[1], argv[1]);
    return 1;
  }
  std::ofstream out(argv[1], std::ios::binary);
  return out << made << std::flush ? 0 : 1;
}
