// Runs a checkpoint in the format of llama2.c (https://github.com/karpathy/llama2.c, version 0), greedily, to show
// where simdrope stands in an engine: between the QKV projection and the attention, in one call for Q, K and V.
//
//   llama2 CHECKPOINT [--cache plain|f32|f16|q8_0] [--tokens N] [--start ID]
//
// Prints the ids of the tokens, one line. `plain` rotates and stores by a loop of its own and never calls simdrope.
#include <simdrope/simdrope.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

using Floats = std::vector<float>;

[[noreturn]] void Die(const std::string& message) {
  std::fprintf(stderr, "llama2: %s\n", message.c_str());
  std::exit(2);
}

void Check(simdrope_status status) {
  if (status != SIMDROPE_OK) Die(simdrope_last_error());
}

// ---- the checkpoint

struct Model {
  int32_t dim, hidden, layers, heads, kv_heads, vocabulary, length;
  Floats embedding, attention_norm, wq, wk, wv, wo, ffn_norm, w1, w2, w3, last_norm, classifier;
  int32_t head_dim() const { return dim / heads; }
  int32_t kv_dim() const { return head_dim() * kv_heads; }
};

Floats Read(std::FILE* file, size_t count) {
  Floats values(count);
  if (std::fread(values.data(), sizeof(float), count, file) != count) Die("the checkpoint ends early");
  return values;
}

Model Load(const char* path) {
  std::FILE* file = std::fopen(path, "rb");
  if (file == nullptr) Die(std::string("cannot open ") + path);
  int32_t h[7];
  if (std::fread(h, sizeof(h), 1, file) != 1) Die("the checkpoint ends early");
  Model m{};
  m.dim = h[0], m.hidden = h[1], m.layers = h[2], m.heads = h[3], m.kv_heads = h[4];
  m.vocabulary = std::abs(h[5]), m.length = h[6];
  for (const int32_t size : {m.dim, m.hidden, m.layers, m.heads, m.kv_heads, m.vocabulary, m.length}) {
    if (size < 1 || size > 1 << 24) Die("not a checkpoint of version 0: a size is " + std::to_string(size));
  }
  if (m.dim % m.heads != 0 || m.heads % m.kv_heads != 0) Die("heads do not divide the width");
  const size_t n = m.layers, dim = m.dim, hidden = m.hidden, kv = m.kv_dim();
  m.embedding = Read(file, m.vocabulary * dim);
  m.attention_norm = Read(file, n * dim);
  m.wq = Read(file, n * dim * dim);
  m.wk = Read(file, n * dim * kv);
  m.wv = Read(file, n * dim * kv);
  m.wo = Read(file, n * dim * dim);
  m.ffn_norm = Read(file, n * dim);
  m.w1 = Read(file, n * dim * hidden);
  m.w2 = Read(file, n * dim * hidden);
  m.w3 = Read(file, n * dim * hidden);
  m.last_norm = Read(file, dim);
  Read(file, static_cast<size_t>(m.length) * m.head_dim());  // tables of cos and sin, not needed
  m.classifier = h[5] > 0 ? m.embedding : Read(file, m.vocabulary * dim);
  std::fclose(file);
  return m;
}

// ---- the arithmetic that is not simdrope's

void MatMul(float* out, const float* x, const float* w, int32_t in_size, int32_t out_size) {
  for (int32_t o = 0; o < out_size; ++o) {
    float sum = 0;
    for (int32_t i = 0; i < in_size; ++i) sum += w[static_cast<size_t>(o) * in_size + i] * x[i];
    out[o] = sum;
  }
}

void RmsNorm(float* out, const float* x, const float* weight, int32_t size) {
  float sum = 0;
  for (int32_t i = 0; i < size; ++i) sum += x[i] * x[i];
  const float factor = 1 / std::sqrt(sum / static_cast<float>(size) + 1e-5f);
  for (int32_t i = 0; i < size; ++i) out[i] = weight[i] * x[i] * factor;
}

void Softmax(float* x, int32_t size) {
  float most = x[0], sum = 0;
  for (int32_t i = 1; i < size; ++i) most = std::max(most, x[i]);
  for (int32_t i = 0; i < size; ++i) sum += x[i] = std::exp(x[i] - most);
  for (int32_t i = 0; i < size; ++i) x[i] /= sum;
}

// ---- the KV cache

// Rows [length, kv_heads, head_dim] of K and of V in any format that simdrope writes.
class Cache {
 public:
  Cache(const Model& m, const std::string& kind) : model_(m), plain_(kind == "plain") {
    format_ = kind == "f16" ? SIMDROPE_F16 : kind == "q8_0" ? SIMDROPE_Q8_0 : SIMDROPE_F32;
    if (!plain_ && kind != "f32" && kind != "f16" && kind != "q8_0") Die("--cache is " + kind);
    if (kind == "q8_0" && m.head_dim() % 32 != 0) Die("q8_0 wants heads of a multiple of 32 elements");
    const size_t elements = static_cast<size_t>(m.length) * m.kv_dim();
    const size_t bytes = kind == "q8_0" ? elements / 32 * 34 : kind == "f16" ? elements * 2 : elements * 4;
    keys_.resize(m.layers, std::vector<char>(bytes));
    values_ = keys_;
    float_keys_.resize(elements);
    float_values_.resize(elements);
    simdrope_config config;
    simdrope_config_init(&config);
    config.head_dim = m.head_dim();
    config.pairing = SIMDROPE_INTERLEAVED;
    Check(simdrope_rope_create(&config, &rope_));
  }
  ~Cache() { simdrope_rope_release(rope_); }
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;

  // Rotates q in place, and k into the layer's cache at `position`, where v goes too.
  void Write(int32_t layer, int32_t position, float* q, float* k, float* v) {
    if (plain_) return WritePlain(layer, position, q, k, v);
    simdrope_cos_sin rows = SIMDROPE_COS_SIN_INIT;
    rows.rope = rope_;
    rows.positions.start = position;
    simdrope_qkv in = SIMDROPE_QKV_INIT, out = SIMDROPE_QKV_INIT;
    in.q = out.q = View(q, SIMDROPE_F32, 1, model_.heads);
    in.k = View(k, SIMDROPE_F32, 1, model_.kv_heads);
    in.v = View(v, SIMDROPE_F32, 1, model_.kv_heads);
    out.k = View(keys_[layer].data(), format_, model_.length, model_.kv_heads);
    out.v = View(values_[layer].data(), format_, model_.length, model_.kv_heads);
    for (simdrope_tensor* t : {&out.k, &out.v}) {
      t->slots.source = SIMDROPE_SLOTS_POSITIONS;
      t->slots.batch = t->slots.seq = 1;
    }
    Check(simdrope_apply(&rows, &in, &out, nullptr));
  }

  // The first `count` rows of a layer as floats.
  void Read(int32_t layer, int32_t count, const float** keys, const float** values) {
    *keys = Floats32(keys_[layer], count, float_keys_);
    *values = Floats32(values_[layer], count, float_values_);
  }

 private:
  simdrope_tensor View(void* data, simdrope_format format, int64_t seq, int64_t heads) const {
    simdrope_tensor t = SIMDROPE_TENSOR_INIT;
    t.data = data;
    t.format = format;
    t.batch = 1;
    t.seq = seq;
    t.heads = heads;
    t.head_dim = t.head_stride = model_.head_dim();
    t.seq_stride = heads * t.head_dim;
    t.batch_stride = seq * t.seq_stride;
    return t;
  }

  const float* Floats32(std::vector<char>& cache, int32_t count, Floats& to) const {
    if (format_ == SIMDROPE_F32) return reinterpret_cast<const float*>(cache.data());
    simdrope_qkv in = SIMDROPE_QKV_INIT, out = SIMDROPE_QKV_INIT;
    in.v = View(cache.data(), format_, count, model_.kv_heads);
    out.v = View(to.data(), SIMDROPE_F32, count, model_.kv_heads);
    Check(simdrope_apply(nullptr, &in, &out, nullptr));
    return to.data();
  }

  void WritePlain(int32_t layer, int32_t position, float* q, float* k, float* v) {
    const int32_t d = model_.head_dim();
    for (int32_t i = 0; i < model_.dim; i += 2) {
      const double angle = position * std::pow(10000.0, -static_cast<double>(i % d) / d);
      const auto cos = static_cast<float>(std::cos(angle)), sin = static_cast<float>(std::sin(angle));
      for (float* x : {q, k}) {
        if (x == k && i >= model_.kv_dim()) continue;
        const float a = x[i], b = x[i + 1];
        x[i] = std::fma(-b, sin, a * cos);
        x[i + 1] = std::fma(b, cos, a * sin);
      }
    }
    const size_t bytes = model_.kv_dim() * sizeof(float);
    std::memcpy(keys_[layer].data() + position * bytes, k, bytes);
    std::memcpy(values_[layer].data() + position * bytes, v, bytes);
  }

  const Model& model_;
  bool plain_;
  simdrope_format format_;
  simdrope_rope* rope_ = nullptr;
  std::vector<std::vector<char>> keys_, values_;  // of each layer
  Floats float_keys_, float_values_;
};

// ---- the transformer

// The most likely token after `token` at `position`.
int32_t Forward(const Model& m, Cache& cache, int32_t token, int32_t position) {
  const int32_t dim = m.dim, kv = m.kv_dim(), d = m.head_dim();
  const size_t square = static_cast<size_t>(dim) * dim, ffn = static_cast<size_t>(dim) * m.hidden;
  Floats x(&m.embedding[static_cast<size_t>(token) * dim], &m.embedding[static_cast<size_t>(token) * dim] + dim);
  Floats normed(dim), q(dim), k(kv), v(kv), mixed(dim), up(m.hidden), gate(m.hidden), scores(m.length);
  for (int32_t l = 0; l < m.layers; ++l) {
    RmsNorm(normed.data(), x.data(), &m.attention_norm[static_cast<size_t>(l) * dim], dim);
    MatMul(q.data(), normed.data(), &m.wq[l * square], dim, dim);
    MatMul(k.data(), normed.data(), &m.wk[static_cast<size_t>(l) * dim * kv], dim, kv);
    MatMul(v.data(), normed.data(), &m.wv[static_cast<size_t>(l) * dim * kv], dim, kv);
    cache.Write(l, position, q.data(), k.data(), v.data());

    const float *keys, *values;
    cache.Read(l, position + 1, &keys, &values);
    for (int32_t h = 0; h < m.heads; ++h) {
      const size_t at = static_cast<size_t>(h / (m.heads / m.kv_heads)) * d;
      for (int32_t t = 0; t <= position; ++t) {
        scores[t] = 0;
        for (int32_t i = 0; i < d; ++i) scores[t] += q[h * d + i] * keys[static_cast<size_t>(t) * kv + at + i];
        scores[t] /= std::sqrt(static_cast<float>(d));
      }
      Softmax(scores.data(), position + 1);
      for (int32_t i = 0; i < d; ++i) {
        float sum = 0;
        for (int32_t t = 0; t <= position; ++t) sum += scores[t] * values[static_cast<size_t>(t) * kv + at + i];
        mixed[h * d + i] = sum;
      }
    }
    MatMul(normed.data(), mixed.data(), &m.wo[l * square], dim, dim);
    for (int32_t i = 0; i < dim; ++i) x[i] += normed[i];

    RmsNorm(normed.data(), x.data(), &m.ffn_norm[static_cast<size_t>(l) * dim], dim);
    MatMul(gate.data(), normed.data(), &m.w1[l * ffn], dim, m.hidden);
    MatMul(up.data(), normed.data(), &m.w3[l * ffn], dim, m.hidden);
    for (int32_t i = 0; i < m.hidden; ++i) gate[i] = gate[i] / (1 + std::exp(-gate[i])) * up[i];
    MatMul(normed.data(), gate.data(), &m.w2[l * ffn], m.hidden, dim);
    for (int32_t i = 0; i < dim; ++i) x[i] += normed[i];
  }
  RmsNorm(x.data(), x.data(), m.last_norm.data(), dim);
  Floats logits(m.vocabulary);
  MatMul(logits.data(), x.data(), m.classifier.data(), dim, m.vocabulary);
  int32_t best = 0;
  for (int32_t i = 1; i < m.vocabulary; ++i) best = logits[i] > logits[best] ? i : best;
  return best;
}

int32_t NumberOf(const std::string& option, const char* text) {
  char* end = nullptr;
  const long value = std::strtol(text, &end, 10);
  if (end == text || *end != '\0' || value < 0 || value > 1 << 24) Die(option + " is " + text);
  return static_cast<int32_t>(value);
}

}  // namespace

int main(int count, char** arguments) {
  std::string cache_kind = "f32";
  int32_t tokens = 64, token = 1;
  if (count < 2) Die("usage: llama2 CHECKPOINT [--cache plain|f32|f16|q8_0] [--tokens N] [--start ID]");
  for (int i = 2; i + 1 < count; i += 2) {
    const std::string option = arguments[i];
    if (option == "--cache") {
      cache_kind = arguments[i + 1];
    } else if (option == "--tokens") {
      tokens = NumberOf(option, arguments[i + 1]);
    } else if (option == "--start") {
      token = NumberOf(option, arguments[i + 1]);
    } else {
      Die("unknown option " + option);
    }
  }
  const Model model = Load(arguments[1]);
  if (token < 0 || token >= model.vocabulary) Die("--start is " + std::to_string(token));
  Cache cache(model, cache_kind);
  for (int32_t position = 0; position < std::min(tokens, model.length); ++position) {
    token = Forward(model, cache, token, position);
    std::printf("%d ", token);
  }
  std::printf("\n");
  return 0;
}
