#include "svg.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace simdrope::tool {
namespace {

constexpr double kWidth = 760, kHeight = 460;
constexpr double kLeft = 70, kRight = 20, kTop = 44, kBottom = 50;
constexpr int kMostTicks = 12;

std::string Escaped(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '<')
      escaped += "&lt;";
    else if (c == '>')
      escaped += "&gt;";
    else if (c == '&')
      escaped += "&amp;";
    else if (c == '"')
      escaped += "&quot;";
    else
      escaped += c;
  }
  return escaped;
}

template <class... Values>
std::string Formatted(const char* format, Values... values) {
  char text[256];
  std::snprintf(text, sizeof text, format, values...);
  return text;
}

bool IsDrawn(double value) { return value > 0 && std::isfinite(value); }

class Drawing {
 public:
  explicit Drawing(const Chart& chart) : chart_(chart) {
    double least = INFINITY, greatest = 0;
    const auto include = [&](double value) {
      if (!IsDrawn(value)) return;
      least = std::min(least, value);
      greatest = std::max(greatest, value);
    };
    for (const Series& series : chart.series) {
      points_ = std::max(points_, series.values.size());
      for (const double value : series.values) include(value);
    }
    for (const Mark& mark : chart.marks) include(mark.value);
    if (greatest > 0) {
      low_ = std::floor(std::log10(least));
      high_ = std::max(low_ + 1, std::ceil(std::log10(greatest)));
    }
  }

  std::string Draw() {
    svg_ = Formatted(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %g %g\" font-family=\"sans-serif\" "
        "font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
        kWidth, kHeight);
    Text(kLeft, 22, "start", chart_.title, "font-size=\"15\"");
    Axes();
    for (const Mark& mark : chart_.marks) {
      if (!IsDrawn(mark.value)) continue;
      const double y = Y(mark.value);
      Line(kLeft, y, kWidth - kRight, y, "stroke=\"#888\" stroke-dasharray=\"5 4\"");
      Text(kLeft + 6, y - 4, "start", mark.label, "fill=\"#555\"");
    }
    double legend = kTop + 14;
    for (const Series& series : chart_.series) {
      Curve(series);
      Line(kWidth - 190, legend - 4, kWidth - 166, legend - 4, Stroke(series));
      Text(kWidth - 160, legend, "start", series.label, "");
      legend += 18;
    }
    return svg_ + "</svg>\n";
  }

 private:
  double X(double x) const {
    return kLeft + x * (kWidth - kLeft - kRight) / std::max(1.0, static_cast<double>(points_) - 1);
  }
  double Y(double value) const {
    return kHeight - kBottom - (std::log10(value) - low_) * (kHeight - kTop - kBottom) / (high_ - low_);
  }
  static std::string Stroke(const Series& series) {
    return Formatted("fill=\"none\" stroke-width=\"2\" stroke=\"%s\"", series.color.c_str());
  }

  void Line(double x0, double y0, double x1, double y1, const std::string& style) {
    svg_ += Formatted("<line x1=\"%.2f\" y1=\"%.2f\" x2=\"%.2f\" y2=\"%.2f\" ", x0, y0, x1, y1) + style + "/>\n";
  }
  void Text(double x, double y, const char* anchor, const std::string& text, const std::string& style) {
    svg_ += Formatted("<text x=\"%.2f\" y=\"%.2f\" text-anchor=\"%s\" ", x, y, anchor) + style + ">" + Escaped(text) +
            "</text>\n";
  }

  void Axes() {
    const double bottom = kHeight - kBottom;
    const int step = std::max(1, static_cast<int>(std::ceil((high_ - low_) / kMostTicks)));
    for (int power = static_cast<int>(low_); power <= static_cast<int>(high_); power += step) {
      const double y = Y(std::pow(10.0, power));
      Line(kLeft, y, kWidth - kRight, y, "stroke=\"#e5e5e5\"");
      Text(kLeft - 8, y + 4, "end", Formatted("1e%d", power), "");
    }
    const size_t every = std::max<size_t>(1, (points_ + kMostTicks - 1) / kMostTicks);
    for (size_t i = 0; i < points_; i += every) {
      Text(X(static_cast<double>(i)), bottom + 18, "middle", std::to_string(i), "");
    }
    Line(kLeft, bottom, kWidth - kRight, bottom, "stroke=\"black\"");
    Line(kLeft, kTop, kLeft, bottom, "stroke=\"black\"");
    Text((kLeft + kWidth - kRight) / 2, kHeight - 12, "middle", chart_.x_label, "");
    Text(16, (kTop + bottom) / 2, "middle", chart_.y_label,
         Formatted("transform=\"rotate(-90 16 %.2f)\"", (kTop + bottom) / 2));
  }

  void Curve(const Series& series) {
    std::string points;
    for (size_t i = 0; i < series.values.size(); ++i) {
      if (!IsDrawn(series.values[i])) continue;
      points += Formatted("%.2f,%.2f ", X(static_cast<double>(i)), Y(series.values[i]));
    }
    svg_ += "<polyline points=\"" + points + "\" " + Stroke(series) + "/>\n";
  }

  const Chart& chart_;
  size_t points_ = 0;
  double low_ = 0, high_ = 1;  // powers of ten at the ends of the y axis
  std::string svg_;
};

}  // namespace

std::string ToSvg(const Chart& chart) { return Drawing(chart).Draw(); }

}  // namespace simdrope::tool
