// nano-vllm's rotary layer (nanovllm/layers/rotary_embedding.py), call by call, in simdrope's terms.
#include "support.h"
#include "support/layouts.h"

using namespace testing;

namespace {

// get_rope(head_size, rotary_dim, max_position, base): the layer, remembered by its arguments.
class RotaryEmbedding {
 public:
  static RotaryEmbedding Get(int head_size, int rotary_dim, int64_t max_position, double base) {
    simdrope::Config config(head_size, base);
    config.rotary_dim = rotary_dim;
    return RotaryEmbedding(*simdrope::get_rope(config), max_position);
  }

  // cos_sin_cache: [max_position, rotary_dim], cos | sin in one row.
  std::vector<float> CosSinCache() const {
    const int pairs = rope_.info().pairs;
    std::vector<float> cache(static_cast<size_t>(max_position_ * 2 * pairs));
    const simdrope::CosSinOutput rows(simdrope::Table::cos_sin_rows(cache.data(), simdrope::f32, max_position_, pairs));
    const simdrope::Positions all;
    REQUIRE(simdrope_compute_cos_sin(rope_.get(), &all, 1, max_position_, &rows, nullptr) == SIMDROPE_OK);
    return cache;
  }

  // forward(positions, query, key): without the table.
  simdrope::Status Forward(const std::vector<int64_t>& positions, const simdrope::QKV& qk) const {
    return simdrope::apply(
        rope_.stream(simdrope::Positions::per_token(positions.data(), static_cast<int64_t>(positions.size()))), qk);
  }

  const simdrope_rope* object() const { return rope_.get(); }

 private:
  RotaryEmbedding(simdrope::Rope rope, int64_t max_position) : rope_(std::move(rope)), max_position_(max_position) {}

  simdrope::Rope rope_;
  int64_t max_position_;
};

constexpr int kHeadSize = 128;
constexpr double kBase = 1000000.0;  // Qwen3

// Tokens of several requests in one batch: a prefill and decodes at other places.
std::vector<int64_t> BatchPositions() { return {0, 1, 2, 3, 4, 517, 40, 1000}; }

Job JobOf(Tensors* tokens, Random* random) {
  const std::vector<double> inv_freq = PlainInvFreq(kBase, kHeadSize);
  const std::vector<int64_t> positions = BatchPositions();
  Job job;
  job.SetWindow(kHeadSize, 0, simdrope::half);
  job.in = job.out = tokens->qkv;
  job.row = [=](bool, int64_t, int64_t s) {
    return RowAt(inv_freq, static_cast<double>(positions[static_cast<size_t>(s)]));
  };
  FillInputs(job, Inputs::kTame, random);
  return job;
}

Tensors Tokens(Format format) { return MakeTensors(Layout::kThd, {1, 8, 16, 8, 0, kHeadSize}, format); }

}  // namespace

TEST_CASE("get_rope twice gives one object, other arguments another") {
  const auto layer = RotaryEmbedding::Get(kHeadSize, kHeadSize, 4096, kBase);
  CHECK(RotaryEmbedding::Get(kHeadSize, kHeadSize, 4096, kBase).object() == layer.object());
  CHECK(RotaryEmbedding::Get(kHeadSize, kHeadSize, 4096, 10000.0).object() != layer.object());
}

TEST_CASE("cos_sin_cache is [max_position, rotary_dim], cos before sin") {
  const auto layer = RotaryEmbedding::Get(kHeadSize, kHeadSize, 600, kBase);
  const std::vector<float> cache = layer.CosSinCache();
  const std::vector<double> inv_freq = PlainInvFreq(kBase, kHeadSize);
  double worst = 0;
  for (int64_t p = 0; p < 600; ++p) {
    const Row row = RowAt(inv_freq, static_cast<double>(p));
    for (size_t i = 0; i < 64; ++i) {
      const float* cached = cache.data() + p * kHeadSize;
      worst = std::max(worst, std::abs(static_cast<double>(cached[i]) - row.cos[i]));
      worst = std::max(worst, std::abs(static_cast<double>(cached[64 + i]) - row.sin[i]));
    }
  }
  CHECK(worst <= 1.02 * kU);
}

TEST_CASE("forward(positions, query, key): f32 arithmetic, cast back to the type of the query") {
  Random random(201);
  for (const Format format : kFormats) {
    const auto layer = RotaryEmbedding::Get(kHeadSize, kHeadSize, 4096, kBase);
    Tensors tokens = Tokens(format);
    const Job job = JobOf(&tokens, &random);
    CHECK(CheckJob(job, BuffersOf(&tokens), [&] { return layer.Forward(BatchPositions(), tokens.qkv); }) == "");
  }
}

TEST_CASE("cos_sin_cache[positions]: rotating by the gathered rows gives the same bits") {
  Random random(202);
  const auto layer = RotaryEmbedding::Get(kHeadSize, kHeadSize, 1001, kBase);
  const std::vector<float> cache = layer.CosSinCache();
  const std::vector<int64_t> positions = BatchPositions();
  for (const Format format : kFormats) {
    Tensors tokens = Tokens(format);
    const Job job = JobOf(&tokens, &random);
    const auto before = BytesOf(BuffersOf(&tokens));
    REQUIRE(layer.Forward(positions, tokens.qkv).ok());
    const auto streamed = BytesOf(BuffersOf(&tokens));
    RestoreBytes(BuffersOf(&tokens), before);

    simdrope::CosSinView gathered(simdrope::Table::cos_sin_rows(cache.data(), simdrope::f32, 1001, kHeadSize / 2));
    gathered.positions = simdrope::Positions::per_token(positions.data(), static_cast<int64_t>(positions.size()));
    CHECK(CheckJob(job, BuffersOf(&tokens), [&] { return simdrope::apply(gathered, tokens.qkv); }) == "");
    const bool same = BytesOf(BuffersOf(&tokens)) == streamed;
    CHECK(same);
  }
}

TEST_CASE("a position beyond max_position is an error, not a read beyond the table") {
  const auto layer = RotaryEmbedding::Get(kHeadSize, kHeadSize, 100, kBase);
  const std::vector<float> cache = layer.CosSinCache();
  const int64_t positions[] = {99, 100};
  std::vector<float> q(2 * kHeadSize, 1.0f);
  simdrope::CosSinView rows(simdrope::Table::cos_sin_rows(cache.data(), simdrope::f32, 100, kHeadSize / 2));
  rows.positions = simdrope::Positions::per_token(positions, 2);
  CHECK(simdrope::apply(rows, simdrope::thd(q.data(), 2, 1, kHeadSize)).code() == SIMDROPE_OUT_OF_RANGE);
  CHECK(q == std::vector<float>(2 * kHeadSize, 1.0f));
}
