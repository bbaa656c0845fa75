"""Operations on robot files."""
