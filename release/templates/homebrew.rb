class Issuerctl < Formula
  desc "IAM roles for pods of Kubernetes clusters outside EKS"
  homepage "@@project@@"
  version "@@version@@"
  license "Apache-2.0"

  #:if darwin
  on_macos do
    #:if darwin-arm64
    on_arm do
      url "@@url:darwin-arm64@@"
      sha256 "@@sha256:darwin-arm64@@"
    end
    #:end
    #:if darwin-amd64
    on_intel do
      url "@@url:darwin-amd64@@"
      sha256 "@@sha256:darwin-amd64@@"
    end
    #:end
  end

  #:end
  #:if linux
  on_linux do
    #:if linux-arm64
    on_arm do
      url "@@url:linux-arm64@@"
      sha256 "@@sha256:linux-arm64@@"
    end
    #:end
    #:if linux-amd64
    on_intel do
      url "@@url:linux-amd64@@"
      sha256 "@@sha256:linux-amd64@@"
    end
    #:end
  end

  #:end
  def install
    bin.install "issuerctl"
    man1.install Dir["man/*.1"]
    bash_completion.install "completions/issuerctl.bash" => "issuerctl"
    zsh_completion.install "completions/_issuerctl"
    fish_completion.install "completions/issuerctl.fish"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/issuerctl --version")
    system bin/"issuerctl", "keygen", "--algorithm", "p256", "--out-dir", testpath
    assert_match "\"keys\"", shell_output("#{bin}/issuerctl jwks --key #{testpath}/sa.pub")
  end
end
