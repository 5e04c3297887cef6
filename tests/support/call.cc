#include "support/call.h"

#include <cmath>
#include <cstring>

namespace testing {
namespace {

int64_t compared_elements = 0;

double Special(Format format, Random* random) {
  const double sign = random->Chance(2) ? -1 : 1;
  switch (random->Int(0, 7)) {
    case 0: return sign * INFINITY;
    case 1: return std::copysign(NAN, sign);
    case 2: return sign * 0.0;
    case 3: return sign * MaxFinite(format);
    case 4: return sign * LeastSubnormal(format);
    case 5: return sign * LeastNormal(format);
    default: return sign * random->Real(0.0625, 2);
  }
}

double InputOf(Inputs inputs, Format format, Random* random) {
  const double sign = random->Chance(2) ? -1 : 1;
  switch (inputs) {
    case Inputs::kTame:
    case Inputs::kCancelling: return sign * random->Real(0.0625, 2);
    case Inputs::kWide: {
      const double least = std::log2(LeastSubnormal(format)), greatest = std::log2(MaxFinite(format));
      return sign * std::exp2(random->Real(least, greatest));
    }
    case Inputs::kSubnormal:
      return sign * LeastSubnormal(format) *
             static_cast<double>(random->Int(0, static_cast<int64_t>(LeastNormal(format) / LeastSubnormal(format))));
    case Inputs::kSpecial: return Special(format, random);
  }
  return 0;
}

// Makes one result of each pair as small as rounding y to the type allows.
void Cancel(const Job& job, const simdrope_tensor& t, bool key) {
  ForHeads(t, [&](int64_t b, int64_t s, int64_t h) {
    const Row row = job.row(key, b, s);
    if (row.action != Action::kRotate) return;
    for (int i = 0; i < job.window.pairs(); ++i) {
      const Place place = PlaceOf(job.window, job.window.pairing, i);
      const double c = row.cos[static_cast<size_t>(i)];
      const double sin = (job.inverse ? -1 : 1) * row.sin[static_cast<size_t>(i)];
      const double x = ValueOf(t, b, s, h, static_cast<int64_t>(place.x));
      const double y = i % 2 == 0 ? x * c / sin : -x * sin / c;
      if (std::fabs(y) < MaxFinite(t.format)) {
        Store(y, t.format, ElementOf(t, b, s, h, static_cast<int64_t>(place.y)));
      }
    }
  });
}

struct ExpectedOutput {
  Operand operand;
  int64_t b;
  int64_t s;
  Token token;
};

class Marks {
 public:
  explicit Marks(const std::vector<Buffer*>& buffers) : buffers_(buffers) {
    for (const Buffer* buffer : buffers) marked_.emplace_back(buffer->size(), '\0');
  }
  void Add(const void* begin, int64_t bytes) {
    for (size_t i = 0; i < buffers_.size(); ++i) {
      const ptrdiff_t offset = static_cast<const char*>(begin) - buffers_[i]->data();
      if (offset < 0 || offset + bytes > static_cast<ptrdiff_t>(buffers_[i]->size())) continue;
      std::memset(marked_[i].data() + offset, 1, static_cast<size_t>(bytes));
    }
  }
  bool operator()(size_t buffer, size_t byte) const { return marked_[buffer][byte] != 0; }

 private:
  const std::vector<Buffer*>& buffers_;
  std::vector<std::vector<char>> marked_;
};

// The bytes that a token's output may be written to.
void Mark(const Job& job, const ExpectedOutput& expected, Marks* marks) {
  const simdrope_tensor& out = job.output(expected.operand);
  const Entry to = EntryOf(out, job.slot_positions, expected.b, expected.s);
  for (size_t h = 0; h < expected.token.size(); ++h) {
    const StoredHead head = HeadAt(out, to.b, to.s, static_cast<int64_t>(h));
    marks->Add(head.data, head.bytes());
    if (head.scale_is_given) continue;
    marks->Add(head.scale, sizeof(float));
    if (head.zero_point != nullptr) marks->Add(head.zero_point, sizeof(float));
  }
}

}  // namespace

void UseRope(const simdrope::Rope& rope, const simdrope::Config& config, const Ids& ids, Job* job) {
  const simdrope_rope_info info = rope.info();
  job->window = Window::Of(info);
  job->row = [config, frequencies = FrequenciesOf(info), axes = info.axes, &ids](bool key, int64_t b, int64_t s) {
    std::vector<Position> on_axis;
    for (int axis = 0; axis < axes; ++axis) on_axis.push_back(At(ids.At(axis, b, s)));
    Row row = RowOf(config, frequencies, on_axis, key);
    if (ids.IsPadding(b, s)) row.action = Action::kSkip;
    return row;
  };
}

void FillInputs(const Job& job, Inputs inputs, Random* random) {
  for (const simdrope_tensor* t : {&job.in.q, &job.in.k, &job.in.v}) {
    ForHeads(*t, [&](int64_t b, int64_t s, int64_t h) {
      for (int64_t d = 0; d < t->head_dim; ++d) {
        Store(InputOf(inputs, t->format, random), t->format, ElementOf(*t, b, s, h, d));
      }
    });
  }
  if (inputs != Inputs::kCancelling) return;
  Cancel(job, job.in.q, false);
  Cancel(job, job.in.k, true);
}

std::string CheckJob(const Job& job, const std::vector<Buffer*>& buffers,
                     const std::function<simdrope::Status()>& run) {
  std::vector<ExpectedOutput> all;
  for (const Operand operand : kOperands) {
    if (!job.has(operand)) continue;
    ForStep(job, operand, [&](int64_t b, int64_t s) {
      all.push_back({operand, b, s, ExpectedToken(job, operand, b, s)});
    });
  }
  const std::vector<std::vector<char>> before = BytesOf(buffers);
  const simdrope::Status status = run();
  if (!status) return "failed: " + status.message();

  Marks writable(buffers);
  Comparison comparison;
  for (const ExpectedOutput& expected : all) {
    Mark(job, expected, &writable);
    CompareToken(job, expected.operand, expected.b, expected.s, expected.token, &comparison);
  }
  compared_elements += comparison.elements;
  if (!comparison.ok()) return comparison.first_wrong;
  for (size_t i = 0; i < buffers.size(); ++i) {
    if (!buffers[i]->GuardsIntact()) return "guard bytes of buffer " + std::to_string(i) + " were written";
    for (size_t byte = 0; byte < before[i].size(); ++byte) {
      if (!writable(i, byte) && buffers[i]->data()[byte] != before[i][byte]) {
        return "byte " + std::to_string(byte) + " of buffer " + std::to_string(i) + " was written";
      }
    }
  }
  return "";
}

void UnifyNaNs(const simdrope::QKV& tensors) {
  for (const simdrope_tensor* t : {&tensors.q, &tensors.k, &tensors.v}) {
    ForHeads(*t, [&](int64_t b, int64_t s, int64_t h) {
      for (int64_t d = 0; d < t->head_dim; ++d) {
        if (std::isnan(ValueOf(*t, b, s, h, d))) Store(NAN, t->format, ElementOf(*t, b, s, h, d));
      }
    });
  }
}

int64_t ComparedElements() { return compared_elements; }

}  // namespace testing
