#include "case.h"

#include <cmath>
#include <cstring>
#include <fstream>
#include <stdexcept>

#include "reference/formats.h"

namespace conformance {
namespace {

namespace io = simdrope::io;

template <class T>
void Widen(const io::Array& from, Array* to) {
  for (int64_t i = 0; i < from.size(); ++i) to->values.push_back(static_cast<double>(from.data<T>()[i]));
}

}  // namespace

std::vector<int64_t> Array::integers() const {
  if (!exact.empty() || values.empty()) return exact;
  throw std::runtime_error("not an integer array");
}

Case::Case(std::filesystem::path folder) : folder_(std::move(folder)) {
  std::ifstream file(folder_ / "case.json");
  json_ = Json::parse(file);
  id_ = json_.at("id");
}

Array Case::array(const char* name) const {
  const std::string file = json_.at("files").at(name).at("file");
  const auto read = io::read_npy((folder_ / file).string());
  if (!read) throw std::runtime_error(read.status().message());
  Array array{read->shape, {}, {}};
  switch (read->type) {
    case io::ElementType::f32: Widen<float>(*read, &array); break;
    case io::ElementType::f64: Widen<double>(*read, &array); break;
    case io::ElementType::i64:
      Widen<int64_t>(*read, &array);
      array.exact.assign(read->data<int64_t>(), read->data<int64_t>() + read->size());
      break;
    case io::ElementType::f16:
      for (int64_t i = 0; i < read->size(); ++i) {
        array.values.push_back(simdrope::reference::Decoded(read->data<uint16_t>()[i], simdrope::f16));
      }
      break;
    default: throw std::runtime_error(std::string("array of type ") + io::name_of(read->type));
  }
  return array;
}

Tolerance ToleranceOf(const Case& c, Format format) {
  const Json& t = c.json().at("tolerance");
  const double atol = t.value("atol", 0.0), rtol = t.value("rtol", 0.0);
  if (format == simdrope::f16) return {t.value("atol_fp16", atol), t.value("rtol_fp16", rtol)};
  if (format == simdrope::bf16) return {t.value("atol_bf16", atol), t.value("rtol_bf16", rtol)};
  return {atol, rtol};
}

std::string Compare(const std::vector<double>& got, const std::vector<double>& expected, Tolerance tolerance) {
  if (got.size() != expected.size()) {
    return "has " + std::to_string(got.size()) + " elements, expected " + std::to_string(expected.size());
  }
  for (size_t i = 0; i < got.size(); ++i) {
    if (std::fabs(got[i] - expected[i]) <= tolerance.atol + tolerance.rtol * std::fabs(expected[i])) continue;
    char text[128];
    std::snprintf(text, sizeof(text), "element %zu = %.9g, expected %.9g (atol %g, rtol %g)", i, got[i], expected[i],
                  tolerance.atol, tolerance.rtol);
    return text;
  }
  return "";
}

}  // namespace conformance
