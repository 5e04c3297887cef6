#include "onnx.h"

#include "reference/formats.h"

namespace conformance {
namespace {

using simdrope::Status;
using simdrope::Tensor;

Status Reject(std::string message) { return Status(SIMDROPE_INVALID_ARGUMENT, std::move(message)); }

// Values as elements of a type.
struct Elements {
  std::vector<char> bytes;

  Elements(const Array& array, Format format)
      : bytes(array.values.size() * static_cast<size_t>(simdrope::size_of(format))) {
    const size_t size = static_cast<size_t>(simdrope::size_of(format));
    for (size_t i = 0; i < array.values.size(); ++i)
      simdrope::reference::Store(array.values[i], format, bytes.data() + i * size);
  }
};

struct Heads {
  int64_t batch, seq, heads, head_dim;
  bool seq_before_heads;

  Tensor View(void* data, Format format) const {
    return seq_before_heads ? simdrope::bshd(data, format, batch, seq, heads, head_dim)
                            : simdrope::bhsd(data, format, batch, seq, heads, head_dim);
  }
};

// Rank 3 is [batch, seq, hidden]; the number of heads is given, or told by the width of the tables.
Status HeadsOf(const OnnxRotary& node, Heads* heads) {
  const std::vector<int64_t>& s = node.input.shape;
  if (s.size() == 4) {
    *heads = node.seq_before_heads ? Heads{s[0], s[1], s[2], s[3], true} : Heads{s[0], s[2], s[1], s[3], false};
    return Status();
  }
  if (s.size() != 3) return Reject("input has rank " + std::to_string(s.size()));
  const int64_t width = node.cos.shape.back();
  const int64_t count = node.num_heads > 0 ? node.num_heads : s[2] / (2 * width);
  if (count == 0 || s[2] % count != 0) {
    return Reject("hidden size " + std::to_string(s[2]) + " is not a multiple of " + std::to_string(count) + " heads");
  }
  *heads = {s[0], s[1], count, s[2] / count, true};
  return Status();
}

// "Dimension 1 should be same as head_size / 2 or rotary_embedding_dim / 2": simdrope itself takes
// wider tables.
Status CheckWidth(const OnnxRotary& node, const Heads& heads) {
  const int64_t width = node.cos.shape.back();
  if (node.cos.shape == node.sin.shape && (width == heads.head_dim / 2 || width == node.rotary_dim / 2)) {
    return Status();
  }
  return Reject("tables are " + std::to_string(width) + " wide");
}

std::vector<uint8_t> AxesOf(const OnnxRotary& node, int64_t pairs) {
  std::vector<uint8_t> axes;
  for (int64_t i = 0; i < pairs; ++i) {
    int axis = 0;
    if (node.interleaved_sections) {
      axis = i % 3 != 0 && i < 3 * node.sections[static_cast<size_t>(i % 3)] ? static_cast<int>(i % 3) : 0;
    } else {
      int64_t end = 0;
      while (axis < 2 && i >= (end += node.sections[static_cast<size_t>(axis)])) ++axis;
    }
    axes.push_back(static_cast<uint8_t>(axis));
  }
  return axes;
}

}  // namespace

simdrope::Result<std::vector<double>> OnnxRotary::Run() const {
  if (input.shape.back() == 0) return std::vector<double>();  // heads of no elements
  Heads heads{};
  if (Status status = HeadsOf(*this, &heads); !status) return status;
  if (Status status = CheckWidth(*this, heads); !status) return status;

  Elements x(input, in), c(cos, in), s(sin, in);
  std::vector<char> y(input.values.size() * static_cast<size_t>(simdrope::size_of(out)));
  const int64_t rows = cos.shape[cos.shape.size() - 2];
  simdrope::Table table(c.bytes.data(), s.bytes.data(), in, rows, static_cast<int>(cos.shape.back()));
  if (cos.shape.size() == 3) table = table.per_batch(cos.shape[0]);

  simdrope::CosSinView view(table, interleaved ? simdrope::interleaved : simdrope::half);
  view.rotary_dim = static_cast<int32_t>(rotary_dim == 0 ? heads.head_dim : rotary_dim);
  view.magnitude = scale;
  view.out_of_range = out_of_range;
  const std::vector<uint8_t> axes = sections.empty() ? std::vector<uint8_t>() : AxesOf(*this, view.rotary_dim / 2);
  if (!axes.empty()) view.pair_axis = axes.data();
  const std::vector<int64_t> ids = position_ids ? position_ids->integers() : std::vector<int64_t>();
  if (position_ids) {
    const std::vector<int64_t>& shape = position_ids->shape;
    view.positions = shape.size() < 2 ? simdrope::Positions(ids[0])
                                      : simdrope::Positions::per_token(
                                            ids.data(), shape.size() == 3 ? static_cast<int>(shape[0]) : 1,
                                            shape[shape.size() - 2], shape.back());
  }
  const Status status = simdrope::apply(view, simdrope::QKV(heads.View(x.bytes.data(), in)), heads.View(y.data(), out));
  if (!status) return status;
  std::vector<double> values;
  for (size_t i = 0; i < input.values.size(); ++i) {
    values.push_back(simdrope::reference::Load(y.data() + i * static_cast<size_t>(simdrope::size_of(out)), out));
  }
  return values;
}

OnnxRotary OnnxOf(const Case& c) {
  OnnxRotary node;
  const Json attributes = c.json().value("attributes", Json::object());
  node.interleaved = attributes.value("interleaved", 0) != 0;
  node.num_heads = attributes.value("num_heads", 0);
  node.rotary_dim = attributes.value("rotary_embedding_dim", 0);
  node.scale = attributes.value("scale", 1.0f);
  if (attributes.contains("mrope_section")) node.sections = attributes["mrope_section"].get<std::vector<int64_t>>();
  node.interleaved_sections = attributes.value("mrope_layout", 0) == 1;
  return node;
}

}  // namespace conformance
