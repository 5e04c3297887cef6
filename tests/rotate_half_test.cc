// rotate_half, both forms: (x, y) becomes (-y, x).
#include "support.h"
#include "support/layouts.h"

using namespace testing;

namespace {

std::string Check(Format in_type, Format out_type, Pairing pairing, int64_t head_dim, bool in_place) {
  const Shape shape{2, 3, 2, 0, 0, head_dim};
  Tensors in = MakeTensors(Layout::kPadded, shape, in_type), out = MakeTensors(Layout::kBhsd, shape, out_type);
  Job job;
  job.SetWindow(static_cast<int>(head_dim), 0, pairing);
  job.in = in.qkv;
  job.out = in_place ? in.qkv : out.qkv;
  job.row = [&](bool, int64_t, int64_t) {
    return Row{Action::kRotate,
               std::vector<double>(static_cast<size_t>(head_dim / 2), 0),
               std::vector<double>(static_cast<size_t>(head_dim / 2), 1),
               0,
               {}};
  };
  Random random(91);
  FillInputs(job, Inputs::kWide, &random);
  return CheckJob(job, BuffersOf(&in, &out),
                  [&] { return simdrope::Status::of(simdrope_rotate_half(&job.in.q, &job.out.q, pairing)); });
}

}  // namespace

TEST_CASE("both forms, every pair of types, in place or not") {
  int runs = 0;
  for (const Format in : kFormats) {
    for (const Format out : kFormats) {
      for (const Pairing pairing : {simdrope::half, simdrope::interleaved}) {
        for (const int64_t head_dim : {2, 6, 64}) {
          CHECK(Check(in, out, pairing, head_dim, false) == "");
          if (in == out) CHECK(Check(in, out, pairing, head_dim, true) == "");
          ++runs;
        }
      }
    }
  }
  CHECK(runs == 54);
}

TEST_CASE("four times is where it began, bit for bit, NaN included") {
  Tensors t = MakeTensors(Layout::kBshd, {1, 2, 2, 0, 0, 16}, simdrope::f16);
  Job job;
  job.in = t.qkv;
  Random random(92);
  FillInputs(job, Inputs::kSpecial, &random);
  const auto before = BytesOf(BuffersOf(&t));
  const simdrope::Tensor q(t.qkv.q.data, simdrope::f16, 1, 2, 2, 16, 64, 32, 16);
  for (int i = 0; i < 4; ++i) REQUIRE(simdrope::rotate_half(q, q, simdrope::interleaved).ok());
  const bool same = BytesOf(BuffersOf(&t)) == before;
  CHECK(same);
}

TEST_CASE("bad arguments") {
  std::vector<float> data(64), out(64);
  const simdrope::Tensor odd = simdrope::thd(data.data(), 2, 1, 7), good = simdrope::thd(data.data(), 2, 1, 8);
  CHECK(simdrope::rotate_half(odd, odd).code() == SIMDROPE_INVALID_ARGUMENT);
  CHECK(simdrope::rotate_half(good, simdrope::thd(data.data() + 1, 2, 1, 8)).code() == SIMDROPE_INVALID_ARGUMENT);
  CHECK(simdrope::rotate_half(good, simdrope::thd(out.data(), 1, 1, 8)).code() == SIMDROPE_INVALID_ARGUMENT);
  CHECK(simdrope::rotate_half(good, good, static_cast<simdrope_pairing>(2)).code() == SIMDROPE_INVALID_ARGUMENT);
  CHECK(simdrope_rotate_half(nullptr, &good, SIMDROPE_HALF) == SIMDROPE_INVALID_ARGUMENT);
  CHECK(simdrope_rotate_half(&good, nullptr, SIMDROPE_HALF) == SIMDROPE_INVALID_ARGUMENT);
}
