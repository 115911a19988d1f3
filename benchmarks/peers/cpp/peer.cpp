// One image through one filter with OpenCV, as an image worker in C++ does it.
//
//   peer FILTER INPUT OUTPUT            one job, as when a queue starts a program per job
//   peer FILTER INPUT OUTPUT COUNT      COUNT jobs in a loop; prints the median CPU time in nanoseconds
//
// Both forms read and write files, decode, filter and encode a JPEG of quality 90, on one thread.
#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <map>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using Filter = std::function<cv::Mat(const cv::Mat&)>;

cv::Mat convolve(const cv::Mat& image, const cv::Mat& kernel) {
    cv::Mat result;
    cv::filter2D(image, result, -1, kernel);
    return result;
}

cv::Mat gray(const cv::Mat& image) {
    cv::Mat result;
    cv::cvtColor(image, result, cv::COLOR_BGR2GRAY);
    return result;
}

const std::map<std::string, Filter>& filters() {
    static const std::map<std::string, Filter> all = {
        {"grayscale", gray},
        {"blur", [](const cv::Mat& image) { cv::Mat r; cv::GaussianBlur(image, r, {9, 9}, 0); return r; }},
        {"edge", [](const cv::Mat& image) { cv::Mat r; cv::Canny(gray(image), r, 75, 150); return r; }},
        {"sharpen", [](const cv::Mat& image) {
            return convolve(image, (cv::Mat_<float>(3, 3) << 0, -1, 0, -1, 5, -1, 0, -1, 0)); }},
        {"emboss", [](const cv::Mat& image) {
            return convolve(image, (cv::Mat_<float>(3, 3) << -2, -1, 0, -1, 1, 1, 0, 1, 2)); }},
        {"sepia", [](const cv::Mat& image) {
            const cv::Mat matrix = (cv::Mat_<float>(3, 3) << .131f, .534f, .272f, .168f, .686f, .349f, .189f, .769f, .393f);
            cv::Mat r; cv::transform(image, r, matrix); return r; }},
        {"negative", [](const cv::Mat& image) { cv::Mat r; cv::bitwise_not(image, r); return r; }},
        {"brighten", [](const cv::Mat& image) { cv::Mat r; cv::add(image, cv::Scalar::all(40), r); return r; }},
    };
    return all;
}

void develop(const Filter& filter, const std::string& input, const std::string& output) {
    std::ifstream source(input, std::ios::binary);
    const std::vector<uchar> data{std::istreambuf_iterator<char>(source), {}};
    const cv::Mat image = cv::imdecode(data, cv::IMREAD_COLOR);
    if (image.empty()) {
        throw std::runtime_error("cannot decode " + input);
    }
    std::vector<uchar> encoded;
    cv::imencode(".jpg", filter(image), encoded, {cv::IMWRITE_JPEG_QUALITY, 90});
    std::ofstream target(output, std::ios::binary);
    target.write(reinterpret_cast<const char*>(encoded.data()), static_cast<std::streamsize>(encoded.size()));
}

long long cpu_time() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

}  // namespace

int main(int count, char** words) {
    if (count < 4 || filters().count(words[1]) == 0) {
        std::cerr << "usage: peer FILTER INPUT OUTPUT [COUNT]\n";
        return 2;
    }
    cv::setNumThreads(1);
    const Filter& filter = filters().at(words[1]);
    if (count == 4) {
        develop(filter, words[2], words[3]);
        return 0;
    }
    std::vector<long long> times;
    for (int i = 0; i < std::max(1, std::atoi(words[4])); ++i) {
        const long long start = cpu_time();
        develop(filter, words[2], words[3]);
        times.push_back(cpu_time() - start);
    }
    std::nth_element(times.begin(), times.begin() + static_cast<long>(times.size() / 2), times.end());
    std::cout << times[times.size() / 2] << "\n";
}
